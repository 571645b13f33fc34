/**
 * The shapes that the server answers with on the page of records (docs/protocol.md, "Records"). Types only.
 *
 * @typedef {"applicant" | "operator" | "interpreter"} Leg
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} state
 * @property {boolean} under_way
 * @property {string} created_at
 * @property {string | null} ended_at
 * @property {number} calls
 * @property {string} operator_name
 * @property {"approve" | "reject" | "refer" | null} outcome
 *
 * @typedef {{id: string, state: string, language: string, operator_name: string, interpreted: boolean, call_started_at: string | null}} CallRow
 *
 * @typedef {{viewer: {id: string, name: string, role: string}, minutes: number, records: Row[]}} Listing
 *
 * @typedef {object} Segment one leg from a connection to its end
 * @property {Leg} leg
 * @property {number} number
 * @property {string | null} began
 * @property {number | null} starts seconds on the time line
 * @property {number} seconds
 * @property {number} first seconds from its beginning to its first picture or sound
 * @property {boolean} playable
 * @property {[number, number][]} damaged seconds since its beginning
 * @property {"intact" | "cut_off" | "damaged" | "foreign" | "missing" | "deleted"} verdict
 *
 * @typedef {object} Mark
 * @property {string} kind
 * @property {string} at
 * @property {number | null} seconds
 * @property {string} actor
 * @property {Record<string, string>} data
 *
 * @typedef {object} Decision
 * @property {"approve" | "reject" | "refer"} outcome
 * @property {string} reason_code
 * @property {string} note
 * @property {string} override_reason
 * @property {string} operator_name
 * @property {string} made_at
 * @property {boolean} sealed
 *
 * @typedef {object} RecordView
 * @property {Row & {language: string, purpose: string, attributes: Record<string, string>, corrections: Record<string, string>}} session
 * @property {Record<string, string>} images
 * @property {import("../operator/types.js").Check[]} checks
 * @property {import("../operator/types.js").StepRecord[]} steps
 * @property {Decision[]} decisions
 * @property {{profile: string, serial_number: string, not_after: string, revoked_at: string | null}[]} certificates
 * @property {{events: number, verified: boolean, first_fault: number | null}} chain
 * @property {number} seconds
 * @property {{starts: number, seconds: number, began: string}[]} stretches
 * @property {Segment[]} segments
 * @property {{id: string, name: string, language: string, invited_by: string, invited_at: string, agreed: boolean | null, ended: string}[]} interpreters
 * @property {Mark[]} marks
 */
export {};
