"use strict";
// What the page knows, and which photos a reader asks for. Nothing in this file touches the document.

// An outcome is 2 × annotated + given, so that its bits can be read off.
const OUTCOMES = { tn: 0, fp: 1, fn: 2, tp: 3 };
const WRONG = (1 << OUTCOMES.fp) | (1 << OUTCOMES.fn);
// Instead of a label's place: every label at once, or the class of photos that carry none.
const ANY = -1;
const UNLABELLED = -2;

function decodeBytes(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function decodeBits(base64, count) {
  const packed = decodeBytes(base64);
  const bits = new Uint8Array(count);
  for (let i = 0; i < count; i++) bits[i] = (packed[i >> 3] >> (7 - (i & 7))) & 1;
  return bits;
}

function decodeFloats(base64, type) {
  const { buffer } = decodeBytes(base64);
  if (type === "float16") return Float32Array.from(new Uint16Array(buffer), fromHalf);
  return type === "float64" ? new Float64Array(buffer) : new Float32Array(buffer);
}

// The number in [0, 1] with these 16 bits of IEEE 754's half precision.
function fromHalf(bits) {
  const exponent = bits >> 10, fraction = bits & 1023;
  return exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
}

// One row's answer to every photo. Without a row (`row` is null) nothing is given and there are no probabilities.
class Answer {
  constructor(study, row) {
    const { size, width, truth } = study;
    this.row = row;
    this.width = width;
    this.single = row !== null && row.type !== "float64";
    this.probabilities = row === null ? null : decodeFloats(row.probabilities, row.type);
    this.outcomes = new Uint8Array(size * width);
    this.unlabelled = new Uint8Array(size);
    this.present = new Uint8Array(size); // bit k: some label has outcome k
    this.wrong = new Uint16Array(size);
    this.top = new Float64Array(size);
    for (let photo = 0; photo < size; photo++) {
      let annotated = 0, given = 0;
      for (let label = 0; label < width; label++) {
        const at = photo * width + label;
        const probability = row === null ? 0 : this.probabilities[at];
        const answer = row !== null && probability >= row.thresholds[label] ? 1 : 0;
        const outcome = 2 * truth[at] + answer;
        this.outcomes[at] = outcome;
        this.present[photo] |= 1 << outcome;
        this.wrong[photo] += truth[at] === answer ? 0 : 1;
        this.top[photo] = Math.max(this.top[photo], probability);
        annotated |= truth[at];
        given |= answer;
      }
      this.unlabelled[photo] = 2 * (1 - annotated) + (1 - given);
    }
  }

  outcome(photo, label) {
    return label === UNLABELLED ? this.unlabelled[photo] : this.outcomes[photo * this.width + label];
  }

  // Bit k: the label, or for ANY some label, has outcome k on this photo.
  outcomesOf(photo, label) {
    return label === ANY ? this.present[photo] : 1 << this.outcome(photo, label);
  }

  wrongOf(photo, label) {
    return label === ANY ? this.wrong[photo] : (1 << this.outcome(photo, label)) & WRONG ? 1 : 0;
  }

  // The label's probability, and the highest of all where no single label is meant.
  probability(photo, label) {
    return label < 0 ? this.top[photo] : this.probabilities[photo * this.width + label];
  }

  // Probability of what was answered: p where the label was given, otherwise 1 - p. For ANY the surest of the labels
  // whose outcome is among `outcomes` (bits); NaN where there is none.
  confidence(photo, label, outcomes) {
    if (label === UNLABELLED) return this.unlabelled[photo] & 1 ? 1 - this.top[photo] : this.top[photo];
    const sure = (at) => (this.outcomes[at] & 1 ? this.probabilities[at] : 1 - this.probabilities[at]);
    if (label !== ANY) return sure(photo * this.width + label);
    let best = NaN;
    for (let at = photo * this.width; at < (photo + 1) * this.width; at++) {
      if (outcomes & (1 << this.outcomes[at]) && !(sure(at) <= best)) best = sure(at);
    }
    return best;
  }

  // How far two rows' probabilities lie apart; for ANY on the label where they lie furthest apart.
  distance(other, photo, label) {
    if (label !== ANY) return Math.abs(this.probability(photo, label) - other.probability(photo, label));
    let most = 0;
    for (let at = photo * this.width; at < (photo + 1) * this.width; at++) {
      most = Math.max(most, Math.abs(this.probabilities[at] - other.probabilities[at]));
    }
    return most;
  }

  differs(other, photo, label) {
    if (label !== ANY) return this.outcome(photo, label) !== other.outcome(photo, label);
    for (let at = photo * this.width; at < (photo + 1) * this.width; at++) {
      if (this.outcomes[at] !== other.outcomes[at]) return true;
    }
    return false;
  }
}

class Study {
  constructor(data) {
    this.labels = data.labels;
    this.colors = data.colors;
    this.names = data.names;
    this.numbers = data.numbers;
    this.rows = data.rows;
    this.size = data.numbers.length;
    this.width = data.labels.length;
    this.truth = decodeBits(data.targets, this.size * this.width);
    this.identity = data.identity ?? data.corpus;
    this.suspects = data.suspects ?? []; // pairs of photo and label, the most suspicious first
    this.suspected = new Map();
    this.suspects.forEach(([photo, label], rank) => {
      if (!this.suspected.has(photo)) this.suspected.set(photo, { labels: [], rank });
      this.suspected.get(photo).labels.push(label);
    });
    this.answers = new Map();
  }

  answer(row) {
    if (!this.answers.has(row)) this.answers.set(row, new Answer(this, this.rows[row] ?? null));
    return this.answers.get(row);
  }

  suspectsOf(photo) {
    return this.suspected.get(photo)?.labels ?? [];
  }

  // Labels whose outcome on the photo is among `outcomes` (bits), as their places.
  labelsWith(answer, photo, outcomes) {
    return this.labels.map((_, label) => label).filter((label) => outcomes & (1 << answer.outcome(photo, label)));
  }
}

const ANNOTATED = (1 << OUTCOMES.fn) | (1 << OUTCOMES.tp);
const GIVEN = (1 << OUTCOMES.fp) | (1 << OUTCOMES.tp);

const DIFFERENCES = {
  differ: (answer, other, photo, label) => answer.differs(other, photo, label),
  better: (answer, other, photo, label) => answer.wrongOf(photo, label) < other.wrongOf(photo, label),
  worse: (answer, other, photo, label) => answer.wrongOf(photo, label) > other.wrongOf(photo, label),
  wrong: (answer, other, photo, label) => answer.wrongOf(photo, label) > 0 && other.wrongOf(photo, label) > 0,
};

// Digits alone are photo numbers, as many as one likes; anything else is a part of the file's name.
function finder(text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return () => true;
  const parts = wanted.split(/[\s,;]+/);
  if (parts.every((part) => /^\d+$/.test(part))) {
    const numbers = new Set(parts.map(Number));
    return (study, photo) => numbers.has(study.numbers[photo]);
  }
  return (study, photo) => study.names[photo].toLowerCase().includes(wanted);
}

// The photos that fit, in order, and how many have each outcome before the outcome itself is asked for.
function select(study, asked) {
  const answer = study.answer(asked.row);
  const other = asked.other >= 0 && asked.other !== asked.row ? study.answer(asked.other) : null;
  // The bound in the probabilities' own precision: 0.3 as float32 is not below 0.3 as float64.
  const bound = (value) => (answer.single ? Math.fround(value) : value);
  const from = bound(asked.from), to = bound(asked.to);
  const found = finder(asked.find);
  const checks = CHECKS[asked.check];
  const compare = other && DIFFERENCES[asked.difference];
  const counts = [0, 0, 0, 0];
  const photos = [];
  for (let photo = 0; photo < study.size; photo++) {
    if (answer.row !== null) {
      const probability = answer.probability(photo, asked.label);
      if (probability < from || probability > to) continue;
    }
    if (!found(study, photo) || !checks(study, photo)) continue;
    if (compare && !compare(answer, other, photo, asked.label)) continue;
    const outcomes = answer.outcomesOf(photo, asked.label);
    for (let outcome = 0; outcome < 4; outcome++) counts[outcome] += (outcomes >> outcome) & 1;
    if (!asked.outcomes || outcomes & asked.outcomes) photos.push(photo);
  }
  return { photos: ordered(study, asked, answer, other, photos), counts };
}

// Equal photos keep their order in the corpus; photos without a value come last either way.
function ordered(study, asked, answer, other, photos) {
  const keys = {
    confidence: (photo) => answer.confidence(photo, asked.label, asked.outcomes || WRONG),
    probability: (photo) => answer.probability(photo, asked.label),
    wrong: (photo) => answer.wrong[photo],
    difference: (photo) => (other ? answer.distance(other, photo, asked.label) : NaN),
    number: (photo) => study.numbers[photo],
    suspicion: (photo) => -(study.suspected.get(photo)?.rank ?? NaN),
  };
  const key = answer.row === null && asked.sort !== "suspicion" ? keys.number : keys[asked.sort];
  const values = new Map(photos.map((photo) => [photo, key(photo)]));
  const sign = asked.descending ? -1 : 1;
  return photos.sort((a, b) => {
    const left = values.get(a), right = values.get(b);
    if (left === right || (left !== left && right !== right)) return a - b;
    if (left !== left) return 1;
    if (right !== right) return -1;
    return left < right ? -sign : sign;
  });
}

// The shortest decimal that reads back as the same number.
function exactly(value, single) {
  if (!single) return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function csv(lines) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return lines.map((line) => line.map((field) => quoted(String(field))).join(",") + "\n").join("");
}

// One line a photo, in the order shown, with the answers of `rows`. The columns photo and labels are written as a
// corpus' own table has them.
function toCSV(study, photos, rows) {
  const names = (places) => places.map((label) => study.labels[label]).join(";");
  const columns = ["photo", "number", "labels"];
  for (const row of rows) {
    const { name } = study.rows[row];
    columns.push(`${name}: given`, `${name}: wrong labels`, ...study.labels.map((label) => `${name}: ${label}`));
  }
  const lines = [columns];
  const truth = study.answer(rows[0] ?? -1);
  for (const photo of photos) {
    const line = [study.names[photo], study.numbers[photo], names(study.labelsWith(truth, photo, ANNOTATED))];
    for (const row of rows) {
      const answer = study.answer(row);
      const given = names(study.labelsWith(answer, photo, GIVEN));
      line.push(given, answer.wrong[photo]);
      for (let label = 0; label < study.width; label++) line.push(exactly(answer.probability(photo, label), answer.single));
    }
    lines.push(line);
  }
  return csv(lines);
}
