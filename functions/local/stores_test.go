package main

import (
	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// remoteOf is a storage in AWS as this process uses it; nil = the data folder.
func remoteOf(on storages.Storage) *app.Remote {
	if on.Cloud == nil {
		return nil
	}
	return &app.Remote{Storage: on.Cloud.Storage, SDK: on.Cloud.SDK}
}

// appTimeout is short on a remote storage: what a killed process held is waited
// out for as long as a call may take, and a little more.
func appTimeout(on storages.Storage) string {
	if on.Cloud != nil {
		return "2s"
	}
	return "20s"
}
