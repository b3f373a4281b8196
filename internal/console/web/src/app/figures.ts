export const locale = 'en-GB';

export const number = (n: number | undefined) => new Intl.NumberFormat(locale).format(n ?? 0);
export const percent = (share: number) => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
export const plural = (n: number, one: string, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** written is a moment in words; what is none is shown as it came, and breaks nothing. */
export function written(text: string | undefined, write: (at: Date) => string) {
  if (!text) return '';
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : write(at);
}

/** ago says how long something is past or to come, roughly. */
export function ago(text: string | undefined, now = Date.now()): string {
  if (!text) return '';
  const seconds = Math.round((new Date(text).getTime() - now) / 1000);
  if (Number.isNaN(seconds)) return text;
  const size = Math.abs(seconds);
  const [value, unit] =
    size < 60
      ? [seconds, 'second' as const]
      : size < 3600
        ? [Math.trunc(seconds / 60), 'minute' as const]
        : size < 86400
          ? [Math.trunc(seconds / 3600), 'hour' as const]
          : [Math.trunc(seconds / 86400), 'day' as const];
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(value, unit);
}
