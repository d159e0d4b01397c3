// Elements are made, never parsed from text: what a model or a file says cannot become markup.
export const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "selected", "open"].includes(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

export const byId = (name) => document.getElementById(name);

// A number with a sign, and a minus that is one: +0.42, −0.3.
export const signed = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  if (text === "0") return "0";
  return (value < 0 ? "−" : "+") + text;
};

export const plain = (value, digits = 2) => signed(value, digits).replace("+", "");

export const share = (logprob) => {
  const percent = 100 * Math.exp(logprob);
  if (percent >= 99.95) return "100%";
  return percent >= 0.1 ? `${percent.toFixed(1)}%` : "<0.1%";
};

// What screen readers hear of what changed elsewhere.
export const announce = (text) => {
  byId("announced").textContent = text;
};

export const copied = async (button, text) => {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    button.textContent = "not copied: select it";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
};
