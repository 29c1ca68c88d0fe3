//go:build tools

// Package tools pins the etcd server that devcluster builds. It is a module of its own: its dependencies
// disagree with those of Kubernetes.
package tools

import _ "go.etcd.io/etcd/server/v3"
