/** Receives the commands to this instance, with amqplib alone. */
import { connect } from 'amqplib';

const { INSTANCE_CONTROL_URL, INSTANCE_CONTROL_QUEUE } = process.env;
const retryMs = 1_000;

/**
 * Calls `onCommand(type, body)` for each command, and reconnects after a lost connection. Does nothing if the agent was
 * published without `"control": true`.
 */
export async function listen(onCommand) {
  if (INSTANCE_CONTROL_URL === undefined || INSTANCE_CONTROL_QUEUE === undefined) return;
  try {
    await consume(onCommand);
  } catch (error) {
    console.error(`no commands at the moment: ${error.message}`);
  }
  setTimeout(() => void listen(onCommand), retryMs);
}

/** Settles when the connection, its channel or the queue is lost. */
async function consume(onCommand) {
  const connection = await connect(INSTANCE_CONTROL_URL);
  const closed = new Promise((resolve, reject) => {
    connection.on('error', reject);
    connection.on('close', resolve);
  });
  closed.catch(() => undefined);
  try {
    const channel = await connection.createChannel();
    channel.on('error', (error) => connection.emit('error', error));
    // The queue exists before the agent starts. The agents' account may only read, so it could not declare the queue.
    await channel.consume(INSTANCE_CONTROL_QUEUE, (message) => {
      if (message === null) {
        connection.emit('error', new Error('the queue was removed'));
        return;
      }
      channel.ack(message);
      onCommand(message.properties.type, JSON.parse(message.content.toString()));
    });
    await closed;
  } finally {
    await connection.close().catch(() => undefined);
  }
}
