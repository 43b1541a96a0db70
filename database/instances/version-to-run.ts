/**
 * Joins the version `v` that an instance `i` of an agent `a` is to run. An instance without a version, and one whose version went with an
 * earlier agent of the same id, will be given the stable version of the agent (`pin_version` of the migrations), so that is taken here.
 *
 * @param source user_backend may read `agent_version_runtimes` alone
 */
export function joinVersionToRun(source: 'agent_versions' | 'agent_version_runtimes'): string {
  return `left join lateral (
    select w.version, w.runtime from ${source} w where w.agent_id = i.agent_id and w.version in (i.agent_version, a.stable_version)
    order by w.version = i.agent_version desc nulls last limit 1) v on true`;
}
