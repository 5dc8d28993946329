// Files that are chosen, or dropped on a place.

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

/** Give `take` the first file that is dropped on `place` or chosen with `input`. */
export function takeFiles(place, input, take) {
  input.addEventListener("change", () => {
    if (input.files[0]) take(input.files[0]);
    input.value = ""; // the same file may be chosen again
  });
  place.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    place.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}

/** A file dropped beside its place must not make the browser leave the page. */
export function refuseStrays() {
  for (const name of ["dragover", "drop"]) {
    addEventListener(name, (event) => hasFiles(event) && event.preventDefault());
  }
}
