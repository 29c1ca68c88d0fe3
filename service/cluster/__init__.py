"""The one room that talks to a kube-apiserver: the Gateway protocol and the real one."""
