# The project's own processes, one image for all: the arguments name a process of workers/ or a command of cli/.
# Debian, not Alpine: Temporal's native core is built for glibc.
FROM node:24-trixie-slim AS base
ENV NODE_ENV=production
WORKDIR /app

# A stage of its own keeps npm's cache out of the image.
FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY tsconfig.json ./
COPY contracts/ contracts/
COPY certificates/ certificates/
COPY supervision/ supervision/
COPY configuration/ configuration/
COPY workflows/ workflows/
COPY activities/ activities/
COPY runtimes/ runtimes/
COPY database/ database/
COPY bridge/ bridge/
COPY metrics/ metrics/
COPY tracing/ tracing/
COPY replay/ replay/
COPY explain/ explain/
COPY backends/ backends/
COPY workers/ workers/
COPY cli/ cli/
COPY examples/ examples/
RUN npm run build

FROM base
# A new volume takes over the owner and the mode of the folder that it is mounted on.
RUN install -d -o node -g node -m 700 /var/lib/instances
# Root owns the code, so neither the processes nor their agents can change it.
COPY --from=build /app/ ./
# Each container runs one process, so all can have the same port. LANG and TZ are passed to the agents. Two arenas of malloc, because each of
# the many threads of agents_worker would otherwise keep freed memory of its own.
ENV MALLOC_ARENA_MAX=2 \
    WORKFLOW_BUNDLE=/app/dist/workflow-bundle.js \
    DEPLOYMENT_BUNDLE=/app/dist/deployment-bundle.js \
    RUNTIME_DIRECTORY=/var/lib/instances \
    HEALTH_HOST=0.0.0.0 \
    EVENT_BROKER_HEALTH_PORT=8080 \
    AGENTS_WORKER_HEALTH_PORT=8080 \
    USER_BACKEND_HEALTH_PORT=8080 \
    ADMIN_BACKEND_HEALTH_PORT=8080 \
    DEPLOYER_HEALTH_PORT=8080 \
    LANG=C.UTF-8 \
    TZ=UTC
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:8080/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Run it with an init (`docker run --init`), which reaps agents whose parent process has ended.
ENTRYPOINT ["node", "--import", "tsx"]
CMD ["workers/agents-worker.ts"]
