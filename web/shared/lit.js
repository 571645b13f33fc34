/**
 * Lit, in one place. Contract: pages and components import html, svg, LitElement, directives from here, so that the
 * version stands in one line. The bundle and its recipe: web/vendor/vendor.json.
 */
export * from "../vendor/lit-3.3.3.js";
