/** The interpreter's page begins here: words first, then the page itself. */
import { start } from "../shared/i18n.js";
import { BetpeInterpreting } from "./app.js";

await start("interpreter");
const page = document.querySelector("betpe-interpreting");
if (page instanceof BetpeInterpreting) page.begin();
