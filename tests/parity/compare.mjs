// How far two engines' numbers are apart.

// Greatest and mean difference, as parts of the root mean square of `reference`.
export function errors(ours, reference) {
  if (ours.length !== reference.length || ours.length === 0) {
    throw new Error(`${ours.length} numbers beside ${reference.length} of the reference`);
  }
  let worst = 0, sum = 0, squares = 0;
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs(ours[i] - reference[i]);
    if (!(difference <= worst)) worst = difference; // NaN as well.
    sum += difference;
    squares += reference[i] * reference[i];
  }
  const spread = Math.sqrt(squares / ours.length);
  return {worst: worst / spread, mean: sum / ours.length / spread};
}

export function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

// Errors of [token, vocabulary] logits, and at how many steps of `generated` the reference would have chosen the same token.
export function compareLogits(ours, reference, promptTokens, generated) {
  const width = reference.length / (promptTokens + generated.length - 1);
  const row = (t) => reference.subarray(t * width, (t + 1) * width);
  const agree = generated.filter((token, i) => argmax(row(promptTokens - 1 + i)) === token).length;
  return {...errors(ours, reference), agree};
}

// The likeliest token of each of the last `steps` rows.
export function choicesOf(logits, promptTokens, steps) {
  const width = logits.length / (promptTokens + steps - 1);
  return Array.from({length: steps}, (_, i) => argmax(logits.subarray((promptTokens - 1 + i) * width, (promptTokens + i) * width)));
}

function unit(vector) {
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}

// Of embeddings, made of unit length.
export function compareDirections(ours, reference) {
  const [a, b] = [unit(Array.from(ours)), unit(Array.from(reference))];
  return {...errors(a, b), cosine: a.reduce((sum, v, i) => sum + v * b[i], 0)};
}
