//! JSON as a sender reads and writes it: in a few bytes of code, which a browser fetches first.
//!
//! The server reads and writes by serde, whose visitors are made anew for each type; a fifth of the wasm was
//! that. Here a table says what an object's members are called, and one function reads and one writes
//! each kind of value. Text becomes a tree by somebody else's parser: the browser has one.
//! `json/tests.rs` holds the two ways to each other.

mod tables;
mod value;

use std::fmt::Display;
use std::str::FromStr;

use litemap::LiteMap;
use thiserror::Error;

use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::ChunkIndex;
use crate::time::Millis;
use crate::upload::{BufferId, Ticket};
use crate::wire::ids::{FileId, UploadId};
use crate::wire::proof::Nonce;

/// One value of a tree that a parser has made.
pub trait Tree: Sized {
    /// The member of an object; `None` where there is none, or it is `null`.
    fn member(&self, name: &str) -> Option<Self>;
    /// All members of an object.
    fn members(&self) -> Option<Vec<(String, Self)>>;
    /// The items of an array.
    fn items(&self) -> Option<Vec<Self>>;
    /// A string.
    fn text(&self) -> Option<String>;
    /// A whole number that is not negative; JavaScript's are exact up to 2^53.
    fn number(&self) -> Option<u64>;
    /// `true` or `false`.
    fn truth(&self) -> Option<bool>;
    /// Whether it is `null`.
    fn is_null(&self) -> bool;
}

/// Which member is not there, or not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is missing or not what it should be")]
pub struct Wrong(pub &'static str);

/// What can be read from JSON.
pub trait FromJson: Sized {
    /// Reads it; `None` is told by the object that it is a member of.
    ///
    /// # Errors
    /// [`Wrong`], for the first member that is.
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong>;
}

/// What can be written as JSON.
pub trait ToJson {
    /// Adds it to the text.
    fn write_json(&self, text: &mut String);

    /// All of it.
    fn to_json(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }
}

/// The members of an object, without its braces: they may be among those of another.
pub trait Members {
    /// Adds them, each with a comma behind it.
    fn write_members(&self, text: &mut String);
}

/// Says what the members of a type are called in JSON: `"name": field`, `"name"?: field` for one that is
/// left out where it is the default, and `..field` for one whose members are the object's own.
/// `written Type { … }` is for one that is never read.
#[macro_export]
macro_rules! json_object {
    (written $type:ty { $($rule:tt)* }) => {
        $crate::json_object! { @ written $type; []; $($rule)* }
    };
    (@ $way:ident $type:ty; [$($done:tt)*]; $name:literal: $field:ident, $($rest:tt)*) => {
        $crate::json_object! { @ $way $type; [$($done)* (required, $name, $field)]; $($rest)* }
    };
    (@ $way:ident $type:ty; [$($done:tt)*]; $name:literal?: $field:ident, $($rest:tt)*) => {
        $crate::json_object! { @ $way $type; [$($done)* (optional, $name, $field)]; $($rest)* }
    };
    (@ $way:ident $type:ty; [$($done:tt)*]; ..$field:ident, $($rest:tt)*) => {
        $crate::json_object! { @ $way $type; [$($done)* (own, "", $field)]; $($rest)* }
    };
    (@ both $type:ty; [$(($how:ident, $name:literal, $field:ident))*];) => {
        impl $crate::wire::json::FromJson for $type {
            fn from_json(
                tree: &impl $crate::wire::json::Tree,
            ) -> Result<Self, $crate::wire::json::Wrong> {
                Ok(Self { $($field: $crate::wire::json::read::$how(tree, $name)?,)* })
            }
        }
        $crate::json_object! { @ written $type; [$(($how, $name, $field))*]; }
    };
    (@ written $type:ty; [$(($how:ident, $name:literal, $field:ident))*];) => {
        impl $crate::wire::json::Members for $type {
            fn write_members(&self, text: &mut String) {
                $($crate::wire::json::write::$how(text, $name, &self.$field);)*
            }
        }
        impl $crate::wire::json::ToJson for $type {
            fn write_json(&self, text: &mut String) {
                $crate::wire::json::write::object(text, self);
            }
        }
    };
    ($type:ty { $($rule:tt)* }) => {
        $crate::json_object! { @ both $type; []; $($rule)* }
    };
}

/// How a member is read, for [`json_object!`].
pub mod read {
    use super::{FromJson, Tree, Wrong};

    /// One that has to be there.
    ///
    /// # Errors
    /// [`Wrong`], where it is not.
    pub fn required<T: FromJson>(tree: &impl Tree, name: &'static str) -> Result<T, Wrong> {
        T::from_json(&tree.member(name).ok_or(Wrong(name))?).map_err(|wrong| wrong.or(name))
    }

    /// One that is the default where it is not there.
    ///
    /// # Errors
    /// [`Wrong`], where it is another thing.
    pub fn optional<T: FromJson + Default>(
        tree: &impl Tree,
        name: &'static str,
    ) -> Result<T, Wrong> {
        match tree.member(name) {
            Some(member) => T::from_json(&member).map_err(|wrong| wrong.or(name)),
            None => Ok(T::default()),
        }
    }

    /// One whose members are the object's own.
    ///
    /// # Errors
    /// [`Wrong`], of one of them.
    pub fn own<T: FromJson>(tree: &impl Tree, _: &'static str) -> Result<T, Wrong> {
        T::from_json(tree)
    }
}

/// How a member is written, for [`json_object!`].
pub mod write {
    use super::{Members, ToJson};

    /// One that is always there.
    pub fn required(text: &mut String, name: &str, value: &impl ToJson) {
        name.write_json(text);
        text.push(':');
        value.write_json(text);
        text.push(',');
    }

    /// One that is left out where it is the default.
    pub fn optional<T: ToJson + Default + PartialEq>(text: &mut String, name: &str, value: &T) {
        if *value != T::default() {
            required(text, name, value);
        }
    }

    /// One whose members are the object's own.
    pub fn own(text: &mut String, _: &str, value: &impl Members) {
        value.write_members(text);
    }

    /// Braces around all members.
    pub fn object(text: &mut String, value: &impl Members) {
        text.push('{');
        value.write_members(text);
        end(text, '}');
    }

    /// In place of the last comma, if there is one.
    pub(super) fn end(text: &mut String, bracket: char) {
        if text.ends_with(',') {
            text.pop();
        }
        text.push(bracket);
    }
}

impl Wrong {
    /// The outermost name, where what is wrong has none of its own.
    fn or(self, name: &'static str) -> Self {
        if self.0.is_empty() { Self(name) } else { self }
    }
}

fn wanted<T>(value: Option<T>) -> Result<T, Wrong> {
    value.ok_or(Wrong(""))
}

impl FromJson for String {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        wanted(tree.text())
    }
}

impl FromJson for bool {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        wanted(tree.truth())
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        if tree.is_null() { Ok(None) } else { T::from_json(tree).map(Some) }
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        T::from_json(tree).map(Self::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        wanted(tree.items())?.iter().map(T::from_json).collect()
    }
}

impl FromJson for LiteMap<String, String> {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        // One by one: to collect them sorts them, by code of its own for each kind of map.
        let mut map = Self::new();
        for (name, value) in wanted(tree.members())? {
            map.insert(name, String::from_json(&value)?);
        }
        Ok(map)
    }
}

impl ToJson for str {
    /// RFC 8259, section 7: what must be escaped, and nothing else.
    fn write_json(&self, text: &mut String) {
        text.push('"');
        for character in self.chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                ' '.. => text.push(character),
                _ => shown(text, format_args!("\\u{:04x}", u32::from(character))),
            }
        }
        text.push('"');
    }
}

impl ToJson for String {
    fn write_json(&self, text: &mut String) {
        self.as_str().write_json(text);
    }
}

impl ToJson for &str {
    fn write_json(&self, text: &mut String) {
        (**self).write_json(text);
    }
}

impl ToJson for bool {
    fn write_json(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write_json(&self, text: &mut String) {
        match self {
            Some(value) => value.write_json(text),
            None => text.push_str("null"),
        }
    }
}

impl<T: ToJson> ToJson for Box<T> {
    fn write_json(&self, text: &mut String) {
        (**self).write_json(text);
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write_json(&self, text: &mut String) {
        text.push('[');
        for item in self {
            item.write_json(text);
            text.push(',');
        }
        write::end(text, ']');
    }
}

impl ToJson for LiteMap<String, String> {
    fn write_json(&self, text: &mut String) {
        text.push('{');
        self.iter().for_each(|(name, value)| write::required(text, name, value));
        write::end(text, '}');
    }
}

fn shown(text: &mut String, value: impl Display) {
    text.push_str(&value.to_string());
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl FromJson for $number {
            fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
                wanted(tree.number().and_then(|number| number.try_into().ok()))
            }
        }

        impl ToJson for $number {
            fn write_json(&self, text: &mut String) {
                shown(text, self);
            }
        }
    )*};
}
numbers! { u16 u32 u64 }

macro_rules! around {
    ($($name:ident)*) => {$(
        impl FromJson for $name {
            fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
                FromJson::from_json(tree).map(Self)
            }
        }

        impl ToJson for $name {
            fn write_json(&self, text: &mut String) {
                self.0.write_json(text);
            }
        }
    )*};
}
around! { BufferId ChunkIndex Millis Nonce Ticket }

/// What is a string on the wire, as it is shown and read elsewhere.
macro_rules! texts {
    ($($name:ident)*) => {$(
        impl FromJson for $name {
            fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
                wanted(tree.text().and_then(|text| Self::from_str(&text).ok()))
            }
        }

        impl ToJson for $name {
            fn write_json(&self, text: &mut String) {
                self.to_string().write_json(text);
            }
        }
    )*};
}
texts! { ChunkSet FileId UploadId }

impl FromJson for Digest {
    fn from_json(tree: &impl Tree) -> Result<Self, Wrong> {
        wanted(tree.text().and_then(|text| Self::from_base64(&text).ok()))
    }
}

impl ToJson for Digest {
    fn write_json(&self, text: &mut String) {
        self.to_base64().write_json(text);
    }
}

#[cfg(test)]
mod tests;
