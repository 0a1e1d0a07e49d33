// The element as a part of a form: its value are the ids of what is sealed, and the form is not sent before
// everything is.

export class FormPart {
  #internals;

  constructor(element) {
    this.#internals = element.attachInternals?.();
  }

  // `sealed` are the ids, `open` is how many files are not over, and `anchor` what the browser points at.
  show({ name, required }, { sealed, open, words, anchor }) {
    if (!this.#internals || !(name || required)) return;
    const value = new FormData();
    if (name) for (const id of sealed.values()) value.append(name, id);
    this.#internals.setFormValue(value);
    if (open) this.#internals.setValidity({ customError: true }, words.say("form-unfinished"), anchor);
    else if (required && !sealed.size) this.#internals.setValidity({ valueMissing: true }, words.say("nothing-chosen"), anchor);
    else this.#internals.setValidity({});
  }
}
