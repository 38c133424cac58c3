-- title: From the minting of a token to its use
-- purpose: Who had a token made for whom, and who used it from where: Kubernetes 1.30 and later write the same ID
--   into both events.
-- column minted: when the token was made
-- column minted_by: by whom
-- column minted_for: for which account, as namespace/name
-- column credential_id: the token
-- column requests: how often it was used
-- column first_used: the first use
-- column last_used: the last use
-- column addresses: from how many addresses
SELECT m.minted, m.minted_by, m.minted_for, m.credential_id,
  COUNT(*) AS requests, MIN(u.time) AS first_used, MAX(u.time) AS last_used, COUNT(DISTINCT u.peer) AS addresses
FROM (
  SELECT time AS minted, acting_user AS minted_by, CONCAT(namespace, '/', name) AS minted_for,
    issued_credential_id AS credential_id
  FROM events
  WHERE is_request AND issued_credential_id <> ''
) AS m
JOIN (
  SELECT time, peer, credential_id
  FROM events
  WHERE is_request AND credential_id <> ''
) AS u ON m.credential_id = u.credential_id
GROUP BY m.minted, m.minted_by, m.minted_for, m.credential_id
ORDER BY minted, minted_for, credential_id, minted_by
