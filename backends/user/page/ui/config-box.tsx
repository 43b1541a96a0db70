import type { Json } from '../api/types.ts';
import { JsonBox, type JsonField } from './json-field.tsx';

/** Configs that the example agent of the engine understands. Only the makers of other agents know what those take. */
const examples: Record<string, { config: Json; effect: string }[]> = {
  heartbeat: [
    { config: { interval_ms: 1000 }, effect: 'prints a line each second' },
    { config: { fail_after_ms: 5000 }, effect: 'fails after five seconds' },
  ],
};

interface ConfigBoxProps {
  field: JsonField;
  help: string;
  agentName: string;
}

/** A box for the config of an instance, with examples for an agent that has some. */
export function ConfigBox({ field, help, agentName }: ConfigBoxProps) {
  const known = Object.hasOwn(examples, agentName) ? examples[agentName] : undefined;
  return (
    <JsonBox field={field} id="config" label="Config, as JSON" help={help} placeholder={'{"name": "value"}'}>
      <div>
        {known && (
          <div class="examples small">
            <p>{`For the example agent ${agentName}:`}</p>
            <ul>
              {known.map(({ config, effect }) => (
                <li>
                  <button type="button" class="code" onClick={() => field.set(config)}>
                    {JSON.stringify(config)}
                  </button>
                  {` ${effect}`}
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
    </JsonBox>
  );
}
