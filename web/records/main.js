/** The page of records begins here: words first (the desk's too: both speak of the same things), then the page. */
import { start } from "../shared/i18n.js";
import { BetpeRecords } from "./app.js";

await start(["operator", "records"]);
const page = document.querySelector("betpe-records");
if (page instanceof BetpeRecords) page.begin();
