/**
 * The shapes that the server pushes to the operator's page (docs/protocol.md, "Operator snapshot"). Types only.
 *
 * @typedef {"passed" | "failed" | "inconclusive" | "not_run"} Outcome
 *
 * @typedef {object} Check
 * @property {string} check
 * @property {Outcome} outcome
 * @property {number | null} score
 * @property {number | null} threshold
 * @property {number | null} fmr
 * @property {string} model
 * @property {string} version
 * @property {number} milliseconds
 * @property {string[]} reasons
 * @property {Record<string, unknown>} details
 * @property {Record<string, string>} images name -> SHA-256
 * @property {string} at
 *
 * @typedef {object} Part
 * @property {string} check
 * @property {Outcome} outcome
 * @property {"supports" | "needs_reason" | "blocks"} effect
 * @property {string[]} reasons
 * @property {string} remedy
 *
 * @typedef {object} Decision
 * @property {"approve" | "reject" | "refer"} outcome
 * @property {string} reason_code
 * @property {string} note
 * @property {string} override_reason
 * @property {string} made_at
 * @property {string} seals_at
 * @property {boolean} sealed
 *
 * @typedef {{step: string, outcome: string, at: string, note: string}} StepRecord
 * @typedef {{image: string, found: boolean, at: string}} Still
 *
 * @typedef {object} Challenge a challenge under way
 * @property {"liveness" | "tilt"} [check]
 * @property {string | null} current
 * @property {number} number
 * @property {number | null} of
 * @property {number} progress 0..1
 * @property {boolean} face
 * @property {{kind: string, outcome: Outcome, reason: string}[]} steps those that are over
 *
 * @typedef {object} Feature a security feature picked for this call
 * @property {string} id
 * @property {string} kind
 * @property {"front" | "back"} side
 * @property {boolean} variable
 * @property {"tilt" | "side_light" | "closer"} ask
 * @property {Record<string, string>} look_for
 * @property {"" | "confirmed" | "denied" | "not_seen"} answer
 * @property {string[]} stills SHA-256, oldest first
 *
 * @typedef {object} Case
 * @property {string} id
 * @property {string} state
 * @property {string} language
 * @property {string} purpose
 * @property {number} attempt
 * @property {string | null} call_id
 * @property {string | null} call_started_at
 * @property {boolean} second_person
 * @property {boolean} wrapping
 * @property {boolean} applicant_connected
 * @property {import("../shared/guest.js").Third | null} [interpreter]
 * @property {boolean} applicant_present
 * @property {Record<string, string>} attributes
 * @property {Record<string, string>} corrections
 * @property {string[]} mrz_lines
 * @property {Record<string, string>} images
 * @property {Check[]} checks
 * @property {Check[]} history
 * @property {StepRecord[]} steps
 * @property {string | null} next_step
 * @property {Still[]} stills
 * @property {{approval: "allowed" | "needs_reason" | "refused", parts: Part[]}} recommendation
 * @property {Decision | null} decision
 * @property {Decision[]} earlier_decisions
 * @property {{frames_per_second: number, width: number, height: number, bits_per_second: number, packets_lost: number} | null} statistics
 * @property {string[] | null} guidance
 * @property {boolean} recording
 * @property {string[]} [others] roles of those who are in the call beside its two ends
 * @property {Challenge | null} [challenge]
 * @property {Feature[] | null} [features]
 * @property {import("../shared/chat.js").Message[]} messages
 *
 * @typedef {object} Snapshot
 * @property {"state"} type
 * @property {{id: string, name: string, role: string, availability: "ready" | "paused", pause_reason: string, since: string | null}} operator
 * @property {{waiting: number, longest_seconds: number, operators: number}} queue
 * @property {{calls: number, approved: number, rejected: number, referred: number, mean_seconds: number | null}} today
 * @property {Case | null} case
 *
 * @typedef {object} Service
 * @property {string} profile
 * @property {string} version
 * @property {number} undo_seconds
 * @property {string[]} reject_reasons
 * @property {string[]} refer_reasons
 * @property {string[]} pause_reasons
 * @property {string[]} steps
 * @property {string[]} [interpreted_languages]
 * @property {RTCIceServer[]} ice_servers
 * @property {RTCIceTransportPolicy} ice_policy
 */
export {};
