import { describe, expect, it } from 'vitest';
import type { Field } from '../api/types';
import { renamed } from './repair';

const field = (name: string, label = name, more = {}) => ({ name, label, type: 'text', ...more }) as Field;
const free = () => false;

describe('renamed', () => {
  it('finds a field whose name differs by little', () => {
    expect(renamed('Score__c', [field('City'), field('Score_2__c')], free, undefined)?.name).toBe('Score_2__c');
    expect(renamed('job_title', [field('JobTitel'), field('City')], free, undefined)?.name).toBe('JobTitel');
  });
  it('finds one with the label of the twin', () => {
    const twin = field('birthday', 'Birthday');
    expect(renamed('X1__c', [field('Y9__c', 'Birthday'), field('City')], free, twin)?.name).toBe('Y9__c');
  });
  it('proposes nothing where nothing is alike, or two are', () => {
    expect(renamed('Score__c', [field('City'), field('Street')], free, undefined)).toBeUndefined();
    expect(renamed('Score__c', [field('Score_1__c'), field('Score_2__c')], free, undefined)).toBeUndefined();
  });
  it('leaves out what is mapped, and what can only be read', () => {
    expect(renamed('Score__c', [field('Score_2__c')], (n) => n === 'Score_2__c', undefined)).toBeUndefined();
    expect(renamed('Score__c', [field('Score_2__c', 'x', { read_only: true })], free, undefined)).toBeUndefined();
  });
});
