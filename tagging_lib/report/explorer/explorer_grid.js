// The photos that fit, as a grid of which only the rows in view exist.

// An element with attributes; children are elements or text, and text stays text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function shortName(study, photo) {
  return study.names[photo].split("/").pop().replace(/\.[^.]+$/, "");
}

// With so many digits that rounding does not carry the number over the threshold.
function shown(probability, threshold, digits) {
  for (; digits < 9; digits++) {
    const text = probability.toFixed(digits);
    if (Number(text) >= threshold === probability >= threshold) return text;
  }
  return String(probability);
}

class Grid {
  constructor(element, { tile, describe, open }) {
    this.element = element;
    this.tile = tile;
    this.describe = describe;
    this.open = open;
    this.photos = [];
    this.cursor = 0;
    this.columns = 1;
    this.rows = new Map();
    element.setAttribute("role", "grid");
    element.setAttribute("aria-label", "Photos: arrow keys move, Enter opens");
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => {
      const cell = event.target.closest("[role=gridcell]");
      if (cell) this.open(Number(cell.dataset.place));
    });
    element.addEventListener("focusin", (event) => {
      const cell = event.target.closest("[role=gridcell]");
      if (cell) this.point(Number(cell.dataset.place));
    });
    let waiting = false;
    addEventListener("scroll", () => {
      if (!waiting) requestAnimationFrame(() => ((waiting = false), this.draw()));
      waiting = true;
    }, { passive: true });
    new ResizeObserver(() => this.layout()).observe(element);
  }

  show(photos) {
    this.photos = photos;
    this.cursor = 0;
    this.layout(true);
  }

  layout(anew = false) {
    const width = this.element.clientWidth;
    if (width === 0 || (width === this.width && !anew)) return;
    const sizes = getComputedStyle(this.element);
    const length = (name) => parseFloat(sizes.getPropertyValue(name)) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    const gap = length("--gap");
    this.width = width;
    this.columns = Math.max(1, Math.floor((width + gap) / (length("--tile") + gap)));
    const size = (width - (this.columns - 1) * gap) / this.columns;
    this.height = Math.round(size + length("--caption") + gap);
    this.element.style.setProperty("--columns", this.columns);
    this.element.style.setProperty("--size", `${size}px`);
    const rows = Math.ceil(this.photos.length / this.columns);
    this.element.style.height = `${rows * this.height}px`;
    this.element.setAttribute("aria-rowcount", rows);
    this.element.setAttribute("aria-colcount", this.columns);
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.draw();
  }

  draw() {
    const total = Math.ceil(this.photos.length / this.columns);
    const above = -this.element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / this.height) - 2);
    const last = Math.min(total - 1, Math.ceil((above + innerHeight) / this.height) + 2);
    const wanted = new Set();
    for (let row = first; row <= last; row++) wanted.add(row);
    // The row that holds the focus stays, so that the tab key finds its way back.
    if (total) wanted.add(Math.floor(this.cursor / this.columns));
    for (const [row, element] of this.rows) {
      if (!wanted.has(row)) {
        element.remove();
        this.rows.delete(row);
      }
    }
    for (const row of wanted) if (!this.rows.has(row)) this.rows.set(row, this.row(row));
  }

  row(row) {
    const element = make("div", { role: "row", "aria-rowindex": String(row + 1) });
    element.style.transform = `translateY(${row * this.height}px)`;
    const start = row * this.columns;
    for (let place = start; place < Math.min(start + this.columns, this.photos.length); place++) {
      const photo = this.photos[place];
      const cell = make("div", {
        role: "gridcell",
        class: "tile",
        tabIndex: place === this.cursor ? 0 : -1,
        "aria-colindex": String(place - start + 1),
        "aria-label": this.describe(photo),
        "data-place": String(place),
      });
      cell.append(...this.tile(photo));
      element.append(cell);
    }
    // In the order of the rows, which is the order in which a screen reader meets them.
    const next = [...this.rows.keys()].filter((other) => other > row).sort((a, b) => a - b)[0];
    this.element.insertBefore(element, next === undefined ? null : this.rows.get(next));
    return element;
  }

  cell(place) {
    return this.element.querySelector(`[data-place="${place}"]`);
  }

  point(place) {
    const before = this.cell(this.cursor);
    if (before) before.tabIndex = -1;
    this.cursor = place;
    const now = this.cell(place);
    if (now) now.tabIndex = 0;
  }

  focus(place) {
    if (!this.photos.length) return;
    this.point(Math.max(0, Math.min(place, this.photos.length - 1)));
    this.draw();
    this.cell(this.cursor).focus();
  }

  key(event) {
    const page = Math.max(1, Math.floor(innerHeight / this.height) - 1) * this.columns;
    const column = this.cursor % this.columns;
    const end = this.photos.length - 1;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: this.cursor >= this.columns ? -this.columns : 0,
      ArrowDown: this.cursor + this.columns <= end ? this.columns : 0,
      PageUp: -Math.min(page, this.cursor - column),
      PageDown: Math.min(page, Math.floor((end - this.cursor) / this.columns) * this.columns),
      Home: event.ctrlKey ? -this.cursor : -column,
      End: event.ctrlKey ? end - this.cursor : this.columns - 1 - column,
    };
    if (event.altKey || event.metaKey) return;
    if (event.key in steps) this.focus(this.cursor + steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.open(this.cursor);
    else return;
    event.preventDefault();
  }
}
