import pg from 'pg';
import { withPath } from './with-path.ts';

/** @returns its address */
export async function createDatabase(adminUrl: string, name: string): Promise<string> {
  await administer(adminUrl, `create database ${name}`);
  return withPath(adminUrl, name);
}

/** Also while somebody is connected to it. */
export async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await administer(adminUrl, `drop database ${name} with (force)`);
}

async function administer(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client(adminUrl);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
