// A pad to draw on: with a pointer (mouse, pen, finger), or with a pen that the arrow keys move.

const PEN = 0.075; // its width, as a share of the pad's side
const STEP = 0.025; // of an arrow key
const FAR = 0.1; // of one with Shift
const RASTER = 112; // pixels, the side of what is handed on
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Strokes are arrays of points [x, y], 0 to 1 from the top left. */
export class Pad {
  /** changed(): something was drawn or taken back. said(words): for who does not see the pad. */
  constructor(canvas, { changed, said }) {
    Object.assign(this, { canvas, changed, said, strokes: [], pen: null, down: false });
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#lift(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#putAway());
    document.addEventListener("themechange", () => this.draw());
  }

  undo() {
    this.down = false;
    if (!this.strokes.pop()) return;
    this.said("Stroke taken back");
    this.#update();
  }

  clear() {
    this.down = false;
    if (!this.strokes.length) return;
    this.strokes = [];
    this.said("Pad cleared");
    this.#update();
  }

  /** Rows of ink, 0 to 255. */
  pixels() {
    const canvas = new OffscreenCanvas(RASTER, RASTER);
    const context = canvas.getContext("2d");
    context.fillRect(0, 0, RASTER, RASTER);
    paint(context, this.strokes, RASTER, "white");
    const { data } = context.getImageData(0, 0, RASTER, RASTER);
    return Array.from({ length: RASTER }, (_, y) => Array.from({ length: RASTER }, (_, x) => data[4 * (y * RASTER + x)]));
  }

  draw() {
    const side = this.canvas.width;
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    context.clearRect(0, 0, side, side);
    paint(context, this.strokes, side, style.color);
    if (this.pen) paintPen(context, this.pen, side, style.accentColor, this.down);
  }

  #update() {
    this.draw();
    this.changed();
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #press(event) {
    if (event.button !== 0 || this.pointer !== undefined) return;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.#putAway();
    this.strokes.push([this.#at(event)]);
    this.draw();
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const seen = event.getCoalescedEvents?.() ?? [];
    for (const one of seen.length ? seen : [event]) this.strokes.at(-1)?.push(this.#at(one));
    this.draw();
  }

  #lift(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.#update();
  }

  #key(event) {
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "z")) return;
    const action = MOVES[event.key]
      ? () => this.#walk(MOVES[event.key], event.shiftKey ? FAR : STEP)
      : { " ": () => this.#toggle(), Backspace: () => this.undo(), Delete: () => this.clear(), z: event.ctrlKey && (() => this.undo()) }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #walk([dx, dy], step) {
    const inside = (value) => Math.min(0.95, Math.max(0.05, value));
    const [x, y] = this.pen ?? [0.5, 0.5];
    this.pen = [inside(x + dx * step), inside(y + dy * step)];
    if (!this.down) return this.draw();
    this.strokes.at(-1).push(this.pen);
    this.#update();
  }

  #toggle() {
    this.pen ??= [0.5, 0.5];
    this.down = !this.down;
    this.said(this.down ? "Pen down" : "Pen up");
    if (!this.down) return this.draw();
    this.strokes.push([this.pen]);
    this.#update();
  }

  #putAway() {
    this.pen = null;
    this.down = false;
    this.draw();
  }
}

function paint(context, strokes, side, colour) {
  Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: PEN * side, strokeStyle: colour });
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(stroke[0][0] * side, stroke[0][1] * side);
    for (const [x, y] of stroke.length > 1 ? stroke : [...stroke, ...stroke]) context.lineTo(x * side, y * side);
    context.stroke();
  }
}

/** A ring where the pen of the keyboard is, filled while it writes. */
function paintPen(context, [x, y], side, colour, down) {
  Object.assign(context, { lineWidth: 4, strokeStyle: colour, fillStyle: colour });
  context.beginPath();
  context.arc(x * side, y * side, 0.03 * side, 0, 2 * Math.PI);
  context.stroke();
  if (down) context.fill();
}
