-- title: Legacy and stale tokens in use, per day
-- purpose: Tokens that never expire, and tokens that a client did not read anew in time, until there are none.
-- column day: the day
-- column account: whose token
-- column token_kind: legacy-auto, legacy-manual, legacy or pod-bound-stale
-- column legacy_secret: the Secret of a legacy token
-- column requests: how often it was used
-- column most_stale_seconds: how late a stale token was at most, in seconds
SELECT day, account, token_kind, legacy_secret, COUNT(*) AS requests, MAX(stale_seconds) AS most_stale_seconds
FROM events
WHERE is_request AND token_kind IN ('legacy', 'legacy-auto', 'legacy-manual', 'pod-bound-stale')
GROUP BY day, account, token_kind, legacy_secret
ORDER BY day, requests DESC, account, token_kind, legacy_secret
