// Figures as people read them.

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

// 1000 to the step, as file managers and network providers count; three digits.
export function bytes(count) {
  let unit = 0;
  while (count >= 999.5 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
  return `${count.toFixed(digits)} ${unit === 0 && count === 1 ? "byte" : UNITS[unit]}`;
}

// The two largest units that say something; never "0 s" for what is still to come.
export function duration(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes} min ${seconds % 60} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

// Rounded down: 100 % is only said of what is all there.
export function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

const COUNTS = new Intl.NumberFormat("en");

export function count(number) {
  return COUNTS.format(number);
}
