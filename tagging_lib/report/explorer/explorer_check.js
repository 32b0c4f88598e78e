// On an opened photo: the labels that may be wrong, each to be marked right, wrong or unsure.

class Check {
  constructor(study, asked, told) {
    Object.assign(this, { study, asked, told, photo: 0, labels: [], current: 0 });
  }

  open(photo) {
    const { study } = this;
    this.photo = photo;
    // Without a list of suspects, what the row at hand answers otherwise.
    const listed = study.suspects.length ? study.suspectsOf(photo) : study.labelsWith(study.answer(this.asked.row), photo, WRONG);
    this.labels = [...new Set([...listed, ...study.marks.labelsOf(photo)])];
    this.current = 0;
    this.next();
  }

  // On to the first label that is not marked, from the present one on.
  next() {
    const { marks } = this.study;
    const order = this.labels.map((_, step) => (this.current + step) % this.labels.length);
    this.current = order.find((place) => !marks.of(this.photo, this.labels[place])) ?? this.current;
  }

  // Whether the key meant something here.
  key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && this.labels.length > 1) {
      this.current = (this.current + step + this.labels.length) % this.labels.length;
      this.told(this.statement(this.labels[this.current]));
      this.redraw();
      return true;
    }
    const verdict = Object.keys(VERDICTS).find((name) => VERDICTS[name] === event.key.toLowerCase());
    if (!verdict || !this.labels.length) return false;
    if (!event.repeat) this.mark(this.labels[this.current], verdict);
    return true;
  }

  mark(label, verdict) {
    const { study } = this;
    const said = study.marks.toggle(this.photo, label, verdict);
    this.current = this.labels.indexOf(label);
    if (said) this.next();
    const open = this.labels.filter((other) => !study.marks.of(this.photo, other)).length;
    this.told(`${this.statement(label)}: ${said ?? "not marked"}. ${open ? `${open} left on this photo.` : "All labels of this photo are marked."}`);
    this.redraw();
  }

  statement(label) {
    return `${this.given(label) ? "annotated" : "not annotated"} “${this.study.labels[label]}”`;
  }

  given(label) {
    return this.study.truth[this.photo * this.study.width + label] === 1;
  }

  draw() {
    const { study } = this;
    if (!study.width) return [];
    const others = study.labels.map((_, label) => label).filter((label) => !this.labels.includes(label));
    const more = make("select", { "aria-label": "Check another label", onchange: (event) => {
      this.labels.push(Number(event.target.value));
      this.current = this.labels.length - 1;
      this.redraw();
      this.element.querySelector("li:last-child button").focus();
    } }, make("option", { value: "", disabled: true, selected: true }, "another label …"), ...others.map((label) => option(label, study.labels[label])));
    const keys = make("p", { class: "key" }, ...Object.entries(VERDICTS).flatMap(([verdict, key]) => [make("kbd", {}, key.toUpperCase()), ` ${verdict} `]),
      make("kbd", {}, "↑"), make("kbd", {}, "↓"), " label ", make("kbd", {}, "←"), make("kbd", {}, "→"), " photo. The same key again takes a mark back.");
    const title = study.suspectsOf(this.photo).length ? "Suspected labels" : "Labels to check";
    const list = this.labels.length ? [make("ul", {}, ...this.labels.map((label, place) => this.line(label, place)))] : [];
    this.element = make("section", { class: "check", "aria-labelledby": "check-title" },
      make("div", { class: "over" }, make("h3", { id: "check-title" }, title), ...(others.length ? [more] : [])),
      ...list, ...(this.labels.length ? [keys] : []), make("p", { class: "key progress" }, study.marks.progress));
    return [this.element];
  }

  line(label, place) {
    const { study } = this;
    const given = this.given(label);
    const said = study.marks.of(this.photo, label);
    const becomes = { right: "stays", wrong: given ? "to be removed" : "to be added", unsure: "stays, noted" }[said] ?? "";
    const buttons = Object.keys(VERDICTS).map((verdict) =>
      make("button", { type: "button", "data-label": String(label), "data-verdict": verdict, "aria-pressed": String(verdict === said),
        "aria-keyshortcuts": VERDICTS[verdict], onclick: () => this.mark(label, verdict) }, verdict));
    const here = place === this.current;
    return make("li", { class: `${here ? "here " : ""}${said ?? ""}`, "aria-current": here ? "true" : null },
      make("span", { class: "what" }, make("span", { class: "name" }, swatch(study, label), study.labels[label]),
        make("span", { class: "said" }, given ? "annotated" : "not annotated"), " ", make("span", { class: "becomes" }, becomes)),
      make("span", { class: "verdicts", role: "group", "aria-label": this.statement(label) }, ...buttons));
  }

  // Drawn anew in place, with the focus where it was.
  redraw() {
    const { label, verdict } = this.element.contains(document.activeElement) ? document.activeElement.dataset : {};
    const before = this.element;
    before.replaceWith(...this.draw());
    if (verdict) this.element.querySelector(`[data-label="${label}"][data-verdict="${verdict}"]`).focus();
  }
}
