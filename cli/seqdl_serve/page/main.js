// Starts the page: its tools, its tabs, what is in its header.

import { byId } from "./dom.js";
import { refuseStrays } from "./drop.js";
import { startLetter } from "./letter.js";
import { chooseAmong, loadModels } from "./models.js";
import { startPhoto } from "./photo.js";
import { startScan } from "./scan.js";
import { startTabs } from "./tabs.js";
import { themeButton } from "./theme.js";
import { startWrite } from "./write.js";

const KINDS = { write: "text", read: "characters", scan: "sites" };

themeButton(byId("theme"));
startWrite();
startLetter();
startPhoto();
startScan();
refuseStrays();
startTabs(document.querySelector('[role="tablist"]'), (panel) => chooseAmong(KINDS[panel]));
loadModels().catch((error) => (byId("page-problem").textContent = error.message));
