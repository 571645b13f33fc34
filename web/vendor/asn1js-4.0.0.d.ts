/** The part of asn1js that the pages use, so that `tsc -p web` needs no package installed. */
type Bytes = ArrayBuffer | Uint8Array;
export class BaseBlock {
  idBlock: { tagClass: number; tagNumber: number };
  /** The bytes as they were read; empty for a block that was made. */
  valueBeforeDecodeView: Uint8Array<ArrayBuffer>;
  toBER(sizeOnly?: boolean): ArrayBuffer;
}
interface Members {
  value?: BaseBlock[];
  idBlock?: { tagClass: number; tagNumber: number };
}
export class Constructed extends BaseBlock {
  constructor(parameters?: Members);
  valueBlock: { value: BaseBlock[] };
}
export class Sequence extends Constructed {}
export class Set extends Constructed {}
export class Primitive extends BaseBlock {
  constructor(parameters?: { valueHex?: Bytes; idBlock?: { tagClass: number; tagNumber: number } });
}
export class OctetString extends BaseBlock {
  constructor(parameters?: { valueHex?: Bytes });
}
export class BitString extends BaseBlock {
  constructor(parameters?: { valueHex?: Bytes; unusedBits?: number });
}
export class Integer extends BaseBlock {
  constructor(parameters?: { value?: number });
}
export class Null extends BaseBlock {}
export class ObjectIdentifier extends BaseBlock {
  constructor(parameters?: { value?: string });
}
export class BmpString extends BaseBlock {
  constructor(parameters?: { value?: string });
}
export function fromBER(bytes: Bytes): { offset: number; result: BaseBlock };
