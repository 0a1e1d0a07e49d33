// The element as a part of a form: its value are the ids of what is sealed, and the form is not sent before
// everything is.

export class FormPart {
  #internals;
  // Of what the form has: what it is called, and of how many files.
  #shown = [null, 0];

  constructor(element) {
    this.#internals = element.attachInternals?.();
  }

  // `sealed` are the ids, `open` is how many files are not over, and `anchor` what the browser points at. To be called
  // whenever one of them is another.
  show({ name, required }, { sealed, open, words, anchor }) {
    if (!this.#internals) return;
    this.#showValue(name, sealed);
    const internals = this.#internals;
    if (open && (name || required)) internals.setValidity({ customError: true }, words.say("form-unfinished"), anchor);
    else if (required && !sealed.size) internals.setValidity({ valueMissing: true }, words.say("nothing-chosen"), anchor);
    else internals.setValidity({});
  }

  // Not for each event: it takes as long as there are files, and of ten thousand there are forty thousand events.
  #showValue(name, sealed) {
    const [before, count] = this.#shown;
    if (name === before && sealed.size === count) return;
    this.#shown = [name, sealed.size];
    const value = new FormData();
    if (name) for (const id of sealed.values()) value.append(name, id);
    this.#internals.setFormValue(value);
  }
}
