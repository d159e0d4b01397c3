// Words of a reply that the unsteered one does not have at their place (longest common subsequence).
const MOST = 1200;

export const split = (text) => text.match(/\s+|\S+/g) ?? [];

export const differing = (text, plain) => {
  const pieces = split(text);
  const mine = pieces.filter((piece) => piece.trim());
  const theirs = split(plain).filter((piece) => piece.trim());
  if (mine.length > MOST || theirs.length > MOST) return null;
  const wide = theirs.length + 1;
  const longest = new Uint16Array((mine.length + 1) * wide);
  for (let i = mine.length - 1; i >= 0; i -= 1) {
    for (let j = theirs.length - 1; j >= 0; j -= 1) {
      longest[i * wide + j] = mine[i] === theirs[j]
        ? longest[(i + 1) * wide + j + 1] + 1
        : Math.max(longest[(i + 1) * wide + j], longest[i * wide + j + 1]);
    }
  }
  const same = new Set();
  for (let i = 0, j = 0; i < mine.length && j < theirs.length;) {
    if (mine[i] === theirs[j]) {
      same.add(i);
      i += 1;
      j += 1;
    } else if (longest[(i + 1) * wide + j] >= longest[i * wide + j + 1]) i += 1;
    else j += 1;
  }
  let word = -1;
  return pieces.map((piece) => {
    if (!piece.trim()) return { text: piece, differs: false };
    word += 1;
    return { text: piece, differs: !same.has(word) };
  });
};
