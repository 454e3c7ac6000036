# shellcheck shell=bash
# Sourced by deploy/run, deploy/test and deploy/layers. Bazel refuses to start
# without HOME and USER, which cron, containers and CI may leave unset.
if [[ -z ${HOME:-} ]]; then
  HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
  export HOME=${HOME:-/tmp}
fi
export USER=${USER:-$(id -un 2>/dev/null || echo weir)}
