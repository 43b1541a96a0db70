/** RabbitMQ's management API, as the user of the AMQP URL. A call rejects unless it is answered with success. */
export function managementApi(managementUrl: string, amqpUrl: string) {
  const { username, password } = new URL(amqpUrl);
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return async (method: string, path: string, body?: object): Promise<Response> => {
    const response = await fetch(new URL(`/api/${path}`, managementUrl), {
      method,
      headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${response.url}: ${response.status} ${await response.text()}`);
    return response;
  };
}
