// GeoSOT cells (GB/T 40087-2021): each axis is packed sign|degrees 8|minutes 6|seconds 6|1/2048 s 11 into 32 bits,
// latitude and longitude are interleaved, latitude the higher bit; level m keeps the top 2m bits.
// 64 bits do not fit a number of JavaScript, so codes come as text and are BigInt here.

export function axes(code) {
  let lat = 0n;
  let lon = 0n;
  for (let bit = 0n; bit < 32n; bit++) {
    lon |= ((code >> (2n * bit)) & 1n) << bit;
    lat |= ((code >> (2n * bit + 1n)) & 1n) << bit;
  }
  return [Number(lat), Number(lon)];
}

const degrees = (packed) => {
  const whole = (packed >>> 23) & 0xff;
  const minutes = (packed >>> 17) & 0x3f;
  const seconds = ((packed >>> 11) & 0x3f) + (packed & 0x7ff) / 2048;
  return whole + Math.min(minutes, 60) / 60 + (minutes >= 60 ? 0 : Math.min(seconds, 60) / 3600);
};

// South to north, or west to east; the sign bit mirrors a cell about the equator or the prime meridian.
function reach(packed, step) {
  const near = degrees(packed);
  const far = degrees(packed + step); // the carry out of 6 bits ends a cell at its minute's or degree's end
  return packed & 0x80000000 ? [-far, -near] : [near, far];
}

// The cell of `level` that holds `code`: its key and its bounds in degrees.
export function cellOf(code, level) {
  const shift = BigInt(64 - 2 * level);
  const cut = (code >> shift) << shift;
  const [lat, lon] = axes(cut);
  const step = 2 ** (32 - level);
  const [south, north] = reach(lat, step);
  const [west, east] = reach(lon, step);
  return { key: `${level}:${cut}`, bounds: [[south, west], [north, east]] };
}

// Degrees of a side: 1 degree at level 9, 1 minute at 15, 1 second at 21; halves in between count in 64ths.
export function sizeOf(level) {
  if (level <= 9) return 2 ** (9 - level);
  if (level <= 15) return 2 ** (15 - level) / 60;
  return 2 ** (21 - level) / 3600;
}

// The finest level whose cells are at least `pixels` high where a degree takes `scale` pixels.
export function levelFor(scale, pixels = 56) {
  let level = 9;
  while (level < 23 && sizeOf(level + 1) * scale >= pixels) level += 1;
  return level;
}
