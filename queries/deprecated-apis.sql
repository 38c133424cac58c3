-- title: Deprecated APIs in use
-- purpose: Who still asks for API versions that a later Kubernetes does without.
-- column username: who
-- column api_group: the API group; empty for the core group
-- column api_version: the deprecated version
-- column resource: the resource
-- column removed_release: the release that does without it; empty where none is planned
-- column requests: how often
-- column last_seen: the last time
SELECT username, api_group, api_version, resource, removed_release, COUNT(*) AS requests, MAX(time) AS last_seen
FROM events
WHERE is_request AND deprecated
GROUP BY username, api_group, api_version, resource, removed_release
ORDER BY requests DESC, username, api_group, api_version, resource, removed_release
