// Shapes: the letters of a logo, which are stretched as no font is, and the marks of hits.

/** Paths in a square from 0,0 to 1,1. */
export const LETTERS = {
  A: "M0 1 .38 0H.62L1 1H.79L.71.74H.29L.21 1ZM.345.56H.655L.5.14Z",
  C: "M.872.165A.5.5 0 1 0 .872.835L.73.728A.31.34 0 1 1 .73.272Z",
  G: "M.872.165A.5.5 0 1 0 1 .55V.46H.54V.62H.79A.31.34 0 1 1 .73.272Z",
  T: "M0 0H1V.17H.605V1H.395V.17H0Z",
};

/** Paths about 0,0: each kind of hit has a form, so that colour is not all that tells. */
const MARKS = [
  "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0Z",
  "M0 -5 5 0 0 5 -5 0Z",
  "M-3.6 -3.6H3.6V3.6H-3.6Z",
  "M0 -5 4.6 3.4H-4.6Z",
  "M0 5 4.6 -3.4H-4.6Z",
  "M-1.6 -4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6Z",
];

/** The look of the kind with this number: {mark: path, style: class}. After six they begin again. */
export const look = (number) => ({ mark: MARKS[number % MARKS.length], style: `k${number % MARKS.length}` });
