import type { PreviewSample, Side, WayPreview } from '../api/types';
import { number, plural } from './figures';

/** letThrough says in words how many records the rules of a way let through, and of how many. */
export function letThrough(way: WayPreview, sample: PreviewSample, from: Side): string {
  const looked = sample.looked[from];
  const all = sample.complete[from];
  if (looked === 0) return all ? 'there is no record yet' : 'no record was looked at';
  const held = way.held > 0 ? `; ${plural(way.held, 'record')} cannot be told, because a field is gone` : '';
  return `lets ${number(way.passes)} of ${all ? '' : 'the first '}${number(looked)} through${held}`;
}

/** difference says how many more or fewer than before; "" = as many. */
export function difference(now: number, before: number | undefined): string {
  if (before === undefined || now === before) return '';
  return now > before ? `${number(now - before)} more than as saved` : `${number(before - now)} fewer than as saved`;
}
