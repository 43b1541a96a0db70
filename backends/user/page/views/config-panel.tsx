import { useEffect, useRef } from 'preact/hooks';
import type { Instance } from '../api/types.ts';
import { useSession } from '../session.ts';
import { ConfigBox } from '../ui/config-box.tsx';
import { Foldable } from '../ui/foldable.tsx';
import { Form } from '../ui/form.tsx';
import { toText, useJsonField } from '../ui/json-field.tsx';
import { say } from '../ui/notice.tsx';

/** A form for the config of an instance. A text that somebody has begun to change stays, whatever arrives meanwhile. */
export function ConfigPanel({ id, instance }: { id: string; instance: Instance | undefined }) {
  const { api, known } = useSession();
  const field = useJsonField();
  /** The text as the server knows it. */
  const saved = useRef('');
  const config = instance?.config;

  useEffect(() => {
    if (!config || field.text !== saved.current) return;
    field.set(config);
    saved.current = toText(config);
  }, [config]);

  const save = async (): Promise<void> => {
    const written = field.read();
    if (!written) return;
    const changed = await api.change(id, { config: written });
    saved.current = field.text;
    known.change(changed);
    say('The config is saved.');
  };

  return (
    <Foldable title="Config" hidden={!instance}>
      <Form onSend={save} action="Save config">
        <ConfigBox
          field={field}
          help="A running agent is started anew with what you save."
          agentName={instance?.agent_name ?? ''}
        />
      </Form>
    </Foldable>
  );
}
