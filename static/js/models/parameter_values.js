// A parameter as its form holds it: a text, and the rule that it keeps. Pure: no DOM.

// A rule: kind ("integer", "number", "choice" or "lines"), standard (the documented default, as text), and what there
// is of least, most, above, below for numbers, and of lines and longest for texts. NaN: no such bound.
export const keeps = (rule, text) => {
  if (text === "") return true
  if (rule.kind === "choice") return true
  return rule.kind === "lines" ? keepsLines(rule, linesOf(text)) : keepsBounds(rule, Number(text))
}

const keepsBounds = ({ kind, least, most, above, below }, number) => {
  if (kind === "integer" ? !Number.isSafeInteger(number) : !Number.isFinite(number)) return false
  return !(number < least || number > most || number <= above || number >= below)
}

const keepsLines = ({ lines, longest }, given) =>
  !(given.length > lines || given.some((line) => Array.from(line).length > longest))

const linesOf = (text) => text.split("\n").filter(Boolean)

// What is sent of it; null for nothing.
export const valueOf = (kind, text) => {
  if (kind === "lines") return linesOf(text).length ? linesOf(text) : null
  if (text === "") return null
  return kind === "choice" ? text : Number(text)
}

// 0.70 is no other than 0.7.
export const differs = ({ kind, standard }, text) => {
  const value = valueOf(kind, text)
  return value !== null && JSON.stringify(value) !== JSON.stringify(valueOf(kind, standard))
}
