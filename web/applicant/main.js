/** The start of the citizen's page. */
import "./app.js";
