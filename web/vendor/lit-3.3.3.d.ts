/** The part of Lit's types that the pages use, so that `tsc -p web` needs no package installed. */
export type Template = { _$litType$: number };
export class LitElement extends HTMLElement {
  static properties: Record<string, unknown>;
  readonly updateComplete: Promise<boolean>;
  readonly isConnected: boolean;
  hasUpdated: boolean;
  createRenderRoot(): HTMLElement | DocumentFragment;
  connectedCallback(): void;
  disconnectedCallback(): void;
  requestUpdate(name?: string, before?: unknown): void;
  willUpdate(changed: Map<string, unknown>): void;
  firstUpdated(changed: Map<string, unknown>): void;
  updated(changed: Map<string, unknown>): void;
  render(): unknown;
}
export function html(strings: TemplateStringsArray, ...values: unknown[]): Template;
export function svg(strings: TemplateStringsArray, ...values: unknown[]): Template;
export function render(value: unknown, container: Element): unknown;
export const nothing: unique symbol;
export const noChange: unique symbol;
export function classMap(classes: Record<string, boolean>): unknown;
export function ifDefined(value: unknown): unknown;
export function live(value: unknown): unknown;
export function repeat<T>(items: Iterable<T>, key: (item: T, index: number) => unknown, template: (item: T, index: number) => unknown): unknown;
export type Ref<T extends Element = Element> = { value?: T };
export function createRef<T extends Element = Element>(): Ref<T>;
export function ref(target: Ref | ((element?: Element) => void)): unknown;
export function keyed(key: unknown, value: unknown): unknown;
export function guard(on: unknown[], value: () => unknown): unknown;
export function cache(value: unknown): unknown;
export function when(condition: unknown, then: () => unknown, otherwise?: () => unknown): unknown;
export function until(...values: unknown[]): unknown;
