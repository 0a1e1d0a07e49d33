"use client";
// The elements as components, for React 18 and 19: attributes by their names in camel case, a property, and
// events as `on…`. What they do they do by themselves.
import { createElement, forwardRef, useImperativeHandle, useLayoutEffect, useEffect, useRef } from "react";
import "./longhaul-download.js";
import "./longhaul-upload.js";

// A server renders no layout and React says so; what is done in it waits for the browser anyway.
const useBeforePaint = typeof document === "object" ? useLayoutEffect : useEffect;

export const LonghaulUpload = component("longhaul-upload", {
  attributes: [
    "endpoint", "multiple", "directory", "accept", "maxSize", "camera", "autoStart", "name", "required", "disabled", "filesAtOnce",
    "rateMax", "verifySource", "logLevel", "leaveQuietly", "forgetFiles",
  ],
  events: {
    onAccept: "longhaul-accept",
    onState: "longhaul-state",
    onProgress: "longhaul-progress",
    onComplete: "longhaul-complete",
    onError: "longhaul-error",
    onTotal: "longhaul-total",
    onDirectory: "longhaul-directory",
  },
});

export const LonghaulDownload = component("longhaul-download", {
  attributes: ["href", "name", "root", "noPicker"],
  events: {
    onState: "longhaul-download-state",
    onProgress: "longhaul-download-progress",
    onComplete: "longhaul-download-complete",
    onError: "longhaul-download-error",
  },
});

function component(tag, { attributes, events }) {
  function Longhaul(props, ref) {
    const { token, ...rest } = props;
    const element = useRef(null);
    // What is called is what was given last: a function made anew at each rendering starts nothing anew.
    const latest = useRef(props);
    useBeforePaint(() => { latest.current = props; });
    useImperativeHandle(ref, () => element.current);
    const isAsked = typeof token === "function";
    const fixed = isAsked ? undefined : token;
    useBeforePaint(() => {
      element.current.token = isAsked ? () => latest.current.token?.() : fixed;
    }, [isAsked, fixed]);
    useEffect(() => {
      const { current } = element;
      const listeners = Object.entries(events).map(([prop, type]) => [type, (event) => latest.current[prop]?.(event)]);
      for (const [type, listener] of listeners) current.addEventListener(type, listener);
      return () => {
        for (const [type, listener] of listeners) current.removeEventListener(type, listener);
      };
    }, []);
    return createElement(tag, { ...plain(rest, attributes, events), ref: element });
  }
  Longhaul.displayName = tag;
  return forwardRef(Longhaul);
}

// React 18 writes `true` and `false` out as attributes, and knows no `className` of an element of one's own.
function plain(props, attributes, events) {
  const given = Object.entries(props).filter(([name]) => !Object.hasOwn(events, name));
  return Object.fromEntries(given.map(([name, value]) => {
    if (name === "className") return ["class", value];
    if (!attributes.includes(name)) return [name, value];
    const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    // The one that has to be said where it is false.
    if (name === "autoStart") return [attribute, String(value)];
    return [attribute, value === true ? "" : value === false ? undefined : value];
  }));
}
