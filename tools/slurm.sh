#!/bin/bash
# A Slurm cluster of this machine alone, for tests: two nodes of one core and a GPU that is none,
# a partition "low" whose tasks a task of "high" preempts. Needs root; changes nothing outside the
# folder but the packages that it installs on Debian.
#
#   tools/slurm.sh start FOLDER     installs what is missing; prints the line to set SLURM_CONF by
#                                  (a folder that every user reaches, as in /var/tmp)
#   tools/slurm.sh stop FOLDER
set -euo pipefail
umask 022
what=${1:?start or stop} folder=$(realpath -m "${2:?a folder}")
export SLURM_CONF=$folder/slurm.conf

stop() {
    for name in slurmd.one slurmd.two slurmctld munged; do
        [ -s "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    done
}

configure() {
    local host
    host=$(hostname -s)
    cat >"$SLURM_CONF" <<CONF
ClusterName=alone
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=10
ReturnToService=2
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
NodeName=DEFAULT CPUs=1 RealMemory=3000 Gres=gpu:1
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 Port=17818
NodeName=two NodeHostname=$host NodeAddr=127.0.0.1 Port=17819
PartitionName=low Nodes=one,two Default=YES MaxTime=60 PriorityTier=1 GraceTime=30
PartitionName=high Nodes=one,two MaxTime=60 PriorityTier=2 PreemptMode=OFF
CONF
    printf '%s\n' "NodeName=one Name=gpu File=/dev/null" "NodeName=two Name=gpu File=/dev/zero" \
        >"$folder/gres.conf"
}

start() {
    if ! command -v slurmctld munged >/dev/null; then
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >&2
    fi
    mkdir -p "$folder/munge" "$folder/state"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    chown -R munge: "$folder/munge"
    configure
    setpriv --reuid=munge --regid=munge --clear-groups munged --force \
        --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    ln -sf munge/pid "$folder/munged.pid"
    slurmctld
    slurmd -N one
    slurmd -N two
    for _ in $(seq 60); do
        [ "$(sinfo -h -p low -t idle -o %D 2>/dev/null)" = 2 ] && break
        sleep 1
    done
    sinfo >&2
    echo "export SLURM_CONF=$SLURM_CONF"
}

"$what"
