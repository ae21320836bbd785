// Who a face is at a threshold, from the candidates that came with it: what the service decides, without asking it again.

/**
 * The rule at a step of the calibration: `{threshold, slope, fpir, explanation}`; null where nobody is enrolled.
 */
export function ruleAt(calibration, step) {
  return calibration && { slope: calibration.slope, ...calibration.steps[step] };
}

/**
 * Who it is: `{name, isKnown, distance, probability, candidates}`, name null where nobody is near enough, and each candidate
 * with its probability at this threshold.
 */
export function decide(face, rule) {
  const candidates = face.candidates.map((one) => ({ ...one, probability: probability(one, rule), isMatch: isMatch(one, rule) }));
  const nearest = candidates[0] ?? null;
  const isKnown = Boolean(nearest?.isMatch);
  return { name: isKnown ? nearest.name : null, isKnown, distance: nearest?.distance ?? null, probability: nearest?.probability ?? null, candidates };
}

function isMatch(candidate, rule) {
  return Boolean(rule) && candidate.distance <= rule.threshold;
}

function probability(candidate, rule) {
  return rule?.slope ? 1 / (1 + Math.exp(rule.slope * (candidate.distance - rule.threshold))) : null;
}
