//! Request and response bodies: lists of pods and Secrets as an apiserver writes them, with everything in
//! them that misleads whoever does not keep count of brackets: `"verb"` and `"user"` keys, escaped
//! JSON in strings, braces in scripts.

use std::fmt::Write as _;

use super::rng::Rng;

/// Writes a list of at least `size` bytes.
pub(crate) fn list(rng: &mut Rng, namespace: &str, kind: &str, size: usize, out: &mut String) {
    let start = out.len();
    let version = rng.below(9_000_000) + 1_000_000;
    put(
        out,
        format_args!(
            r#"{{"kind":"{kind}List","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"}},"items":["#
        ),
    );
    let mut separator = "";
    while out.len() - start < size {
        out.push_str(separator);
        separator = ",";
        if kind == "Pod" {
            pod(rng, namespace, out);
        } else {
            config(rng, namespace, out);
        }
    }
    out.push_str("]}");
}

/// Writes the body of a `SubjectAccessReview`: an object with a `user` and a `verb` of its own.
pub(crate) fn access_review(rng: &mut Rng, out: &mut String) {
    let account = rng.below(50);
    put(
        out,
        format_args!(
            r#"{{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{{"managedFields":[{{"manager":"kubelet","operation":"Update","apiVersion":"authorization.k8s.io/v1","time":"2026-01-05T08:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:spec":{{"f:nonResourceAttributes":{{"f:verb":{{}}}},"f:user":{{}}}}}}}}]}},"spec":{{"user":"system:serviceaccount:decoy:account-{account}","username":"decoy","verb":"list","stage":"Panic","level":"None","resourceAttributes":{{"namespace":"kube-system","verb":"list","version":"v1","resource":"secrets"}},"groups":["system:serviceaccounts","system:authenticated"]}},"status":{{"allowed":true,"reason":"RBAC: allowed by ClusterRoleBinding \"x\" {{of}} ClusterRole \"y\""}}}}"#
        ),
    );
}

fn pod(rng: &mut Rng, namespace: &str, out: &mut String) {
    let id = rng.hex(10);
    let uid = rng.uuid();
    let version = rng.below(9_000_000) + 1_000_000;
    let ip = rng.below(250) + 2;
    put(
        out,
        format_args!(
            r#"{{"metadata":{{"name":"web-{id}","generateName":"web-","namespace":"{namespace}","uid":"{uid}","resourceVersion":"{version}","creationTimestamp":"2026-01-05T07:12:44Z","labels":{{"app.kubernetes.io/name":"web","pod-template-hash":"{id}"}},"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"web\",\"namespace\":\"{namespace}\"}},\"spec\":{{\"containers\":[{{\"name\":\"web\",\"image\":\"registry.example/web:1.4\",\"command\":[\"sh\",\"-c\",\"while true; do echo \\\"{{tick}}\\\"; sleep 1; done\"]}}]}}}}\n"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-{id}","uid":"{uid}","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-01-05T07:12:44Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app.kubernetes.io/name":{{}},"f:pod-template-hash":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"{uid}\"}}":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"web\"}}":{{".":{{}},"f:image":{{}},"f:imagePullPolicy":{{}},"f:name":{{}},"f:resources":{{}}}}}}}}}}}}]}},"spec":{{"volumes":[{{"name":"kube-api-access-x2x9z","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],"containers":[{{"name":"web","image":"registry.example/web:1.4","command":["sh","-c","while true; do echo \"{{tick}}\"; sleep 1; done"],"env":[{{"name":"USER","value":"{{\"user\":{{\"username\":\"decoy\"}}}}"}}],"resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"volumeMounts":[{{"name":"kube-api-access-x2x9z","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"web","serviceAccount":"web","nodeName":"node-3","schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true}},"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-05T07:12:50Z"}}],"hostIP":"10.0.0.3","podIP":"10.244.3.{ip}","startTime":"2026-01-05T07:12:44Z","containerStatuses":[{{"name":"web","state":{{"running":{{"startedAt":"2026-01-05T07:12:49Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example/web:1.4","started":true}}],"qosClass":"Burstable"}}}}"#
        ),
    );
}

fn config(rng: &mut Rng, namespace: &str, out: &mut String) {
    let id = rng.hex(8);
    let uid = rng.uuid();
    let length = 100 + rng.below(900);
    let data: String = rng.hex(length);
    put(
        out,
        format_args!(
            r#"{{"metadata":{{"name":"settings-{id}","namespace":"{namespace}","uid":"{uid}","creationTimestamp":"2026-01-04T10:00:00Z","labels":{{"user":"system:serviceaccount:decoy:label"}}}},"data":{{"verb":"delete","settings.json":"{{\n  \"kind\": \"Event\",\n  \"user\": {{\"username\": \"decoy\"}},\n  \"path\": \"C:\\\\temp\\\\\"\n}}","blob":"{data}"}}}}"#
        ),
    );
}

/// Writes into a string, which cannot fail.
pub(crate) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        out.clear();
    }
}
