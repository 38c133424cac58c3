requests
| map(select(note("authentication.kubernetes.io/issued-credential-id") != "")) as $minted
| map(select(extra("credential-id") != "")) as $used
| [$minted[] | . as $m | note("authentication.kubernetes.io/issued-credential-id") as $id
   | ($used | map(select(extra("credential-id") == $id))) as $uses | select($uses | length > 0)
   | {minted: when, minted_by: acting, minted_for: "\(ref("namespace"))/\(ref("name"))", credential_id: $id,
      requests: ($uses | length), first_used: ($uses | map(when) | min), last_used: ($uses | map(when) | max),
      addresses: ($uses | distinct(peer))}]
| sort_by([.minted, .minted_for, .credential_id])
