// Tabs as the ARIA pattern has them: arrow keys, Home and End go from one to the next; the address remembers which.

/** Start the tabs in `list`; `shown(id of the panel)` is called for the first and for each that is chosen. */
export function startTabs(list, shown) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  function choose(chosen) {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", is);
      tab.tabIndex = is ? 0 : -1;
      panel(tab).hidden = !is;
    }
    shown(panel(chosen).id);
  }

  function go(tab) {
    history.replaceState(null, "", `#${panel(tab).id}`);
    choose(tab);
  }

  const named = () => tabs.find((tab) => `#${panel(tab).id}` === location.hash);

  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) go(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length);
    tab.focus();
    go(tab);
  });
  addEventListener("hashchange", () => named() && choose(named()));
  choose(named() ?? tabs[0]);
}
