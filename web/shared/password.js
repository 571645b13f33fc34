/**
 * How long a password for the key file would hold.
 *
 * Contract: passwordStrength(password, known = []) -> {score: 0..4, code}. `known` are words that others know of the
 * citizen (names, IIN). Accept from MIN_PASSWORD_SCORE. Codes, translated as `password.<code>`: too_short, not_latin,
 * common, personal, repetitive (all score 0), weak (1), fair (2), good (3), strong (4).
 *
 * Only letters, digits and signs of the Latin keyboard (ASCII): programs written in Java do not open a file whose password
 * has others ("Password is not ASCII").
 *
 * A thief of the file guesses offline. One guess costs 150 000 rounds of PBKDF2, which leaves a graphics card under
 * 10^5 guesses a second; so 45 bits hold for ten years of one card, 60 bits for 100 000 years.
 */

export const MIN_PASSWORD_SCORE = 2;
const MIN_LENGTH = 8; // NIST SP 800-63B-4, 3.1.1.2: never fewer
const BITS = [45, 60, 80];
const CODES = ["weak", "fair", "good", "strong"];

/** What a guesser must try, by what the password contains: [which characters, how many such there are]. */
/** @type {[RegExp, number][]} */
const ALPHABETS = [
  [/[0-9]/u, 10],
  [/[a-z]/u, 26],
  [/[A-Z]/u, 26],
  [/[^0-9A-Za-z]/u, 33],
];

/** What people type who do not want to think, also with the other keyboard left on (ghbdtn is "привет"). */
const COMMON = [
  "password", "passw0rd", "qwerty", "qwertz", "asdfgh", "zxcvbn", "1q2w3e", "1qaz2wsx", "abc123", "iloveyou", "admin",
  "letmein", "welcome", "monkey", "dragon", "football", "sunshine", "princess", "master", "egov", "kazakhstan",
  "qazaqstan", "astana", "almaty", "parol", "gfhjkm", "ghbdtn", "k.,jdm", "qwe123", "privet", "mahabbat", "kupiasoz",
];
const ROWS = ["qwertyuiop", "asdfghjkl", "zxcvbnm", "0123456789", "9876543210"];

/** A character that follows from the one before it adds almost nothing. @param {string} before @param {string} after */
function follows(before, after) {
  if (before === after) return true;
  const step = after.charCodeAt(0) - before.charCodeAt(0);
  return Math.abs(step) === 1 || ROWS.some((row) => row.includes(before + after) || row.includes(after + before));
}

/** @param {string} text */
function bits(text) {
  const alphabet = ALPHABETS.reduce((sum, [letters, count]) => sum + (letters.test(text) ? count : 0), 0);
  const characters = [...text];
  const fresh = characters.filter((letter, index) => index === 0 || !follows(characters[index - 1], letter)).length;
  const predictable = characters.length - fresh;
  return fresh * Math.log2(Math.max(alphabet, 2)) + predictable; // one bit for "and so on"
}

/**
 * @param {string} password
 * @param {string[]} [known]
 * @returns {{score: 0 | 1 | 2 | 3 | 4, code: string}}
 */
export function passwordStrength(password, known = []) {
  const lower = password.toLowerCase();
  if (!/^[ -~]*$/u.test(password)) return { score: 0, code: "not_latin" };
  if (password.length < MIN_LENGTH) return { score: 0, code: "too_short" };
  if (new Set(lower).size < 4) return { score: 0, code: "repetitive" };
  let rest = lower;
  const personal = known.flatMap((word) => word.toLowerCase().split(/[\s-]+/u)).filter((word) => word.length >= 3);
  for (const word of personal) rest = rest.replaceAll(word, " ");
  if (rest !== lower && bits(rest) < BITS[0]) return { score: 0, code: "personal" };
  let unknown = lower;
  for (const word of COMMON) unknown = unknown.replaceAll(word, " ");
  if (unknown !== lower && bits(unknown) < BITS[0]) return { score: 0, code: "common" };
  // A known word counts as one character of what is left; capital letters count only where nothing was known.
  const strength = bits(rest === lower && unknown === lower ? password : rest.length < unknown.length ? rest : unknown);
  const score = /** @type {1 | 2 | 3 | 4} */ (1 + BITS.filter((limit) => strength >= limit).length);
  return { score, code: CODES[score - 1] };
}
