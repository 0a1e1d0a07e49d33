// Before the scripts of a page: counts what workers say, and notes what a policy forbids.
window.heard = 0;
window.violations = [];
window.Worker = class extends window.Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", () => { window.heard += 1; });
  }
};
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  window.violations.push(`${violatedDirective}: ${blockedURI}`);
});
