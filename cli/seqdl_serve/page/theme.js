// Light or dark: as the system has it, or as chosen here. Loaded before the page is drawn, so that nothing flashes.

const NAME = "seqdl-theme";
const CHOICES = ["auto", "light", "dark"];

function stored() {
  try {
    const choice = localStorage.getItem(NAME);
    return CHOICES.includes(choice) ? choice : "auto";
  } catch {
    return "auto"; // storage is forbidden
  }
}

function store(choice) {
  try {
    localStorage.setItem(NAME, choice);
  } catch {
    // it holds for this page then
  }
}

function apply(choice) {
  document.documentElement.dataset.theme = choice;
  document.dispatchEvent(new Event("themechange"));
}

/** Make `button` go from one choice to the next. */
export function themeButton(button) {
  let choice = stored();
  const label = () => (button.textContent = `Theme: ${choice}`);
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    store(choice);
    apply(choice);
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(choice));
  label();
}

apply(stored());
