// Sliders with their values beside them. A slider's data-off is the value that switches it off.

/** Start the sliders in `form`; returns a function that gives {id: value} of all. */
export function sliders(form) {
  const inputs = [...form.querySelectorAll('input[type="range"]')];
  for (const input of inputs) {
    input.addEventListener("input", () => show(input));
    show(input);
  }
  return () => Object.fromEntries(inputs.map((input) => [input.id, Number(input.value)]));
}

function show(input) {
  const words = input.value === input.dataset.off ? "off" : input.value;
  input.parentElement.querySelector("output").textContent = words;
  input.setAttribute("aria-valuetext", words);
}
