/** The operator's page begins here: words first, then the page itself. */
import { start } from "../shared/i18n.js";
import { BetpeOperator } from "./app.js";

await start("operator");
const page = document.querySelector("betpe-operator");
if (page instanceof BetpeOperator) page.begin();
