BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE collection_values (
	collection_id BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	written_ms BIGINT NOT NULL, 
	expires_ms BIGINT, 
	value TEXT NOT NULL, 
	CONSTRAINT collection_values_version PRIMARY KEY (collection_id, "key", written_ms), 
	FOREIGN KEY(collection_id) REFERENCES collections (id)
);
INSERT INTO "collection_values" VALUES(1,'k',1780481843000,NULL,'{"v":1}');
CREATE TABLE collections (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	project_id BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	written_ms BIGINT NOT NULL, 
	removed BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT collections_kind CHECK (kind IN ('s', 'cs', 'vs', 'vcs')), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "collections" VALUES(1,1,'s','pages',1780481843000,0);
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "counters" VALUES('LOST',1);
INSERT INTO "counters" VALUES('SUCCESSFUL',2);
INSERT INTO "counters" VALUES('run',3);
INSERT INTO "counters" VALUES('sequence',16);
CREATE TABLE frontier_batches (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	slot_id BIGINT NOT NULL, 
	priority BIGINT NOT NULL, 
	requests INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	FOREIGN KEY(slot_id) REFERENCES frontier_slots (id)
);
INSERT INTO "frontier_batches" VALUES(1,1,0,1,'[["aa",null]]');
CREATE TABLE frontier_fingerprints (
	slot_id BIGINT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	value TEXT, 
	CONSTRAINT frontier_fingerprints_key PRIMARY KEY (slot_id, fingerprint), 
	FOREIGN KEY(slot_id) REFERENCES frontier_slots (id)
)
 WITHOUT ROWID

;
INSERT INTO "frontier_fingerprints" VALUES(1,'aa',NULL);
CREATE TABLE frontier_slots (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	project_id BIGINT NOT NULL, 
	frontier TEXT NOT NULL, 
	slot TEXT NOT NULL, 
	removed BOOLEAN DEFAULT 0 NOT NULL, 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "frontier_slots" VALUES(1,1,'f','s',0);
CREATE TABLE job_counts (
	project_id BIGINT NOT NULL, 
	spider_number INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	jobs BIGINT NOT NULL, 
	CONSTRAINT job_counts_cell PRIMARY KEY (project_id, spider_number, state, outcome)
)
 WITHOUT ROWID

;
INSERT INTO "job_counts" VALUES(1,1,'deleted','SUCCESSFUL',1);
INSERT INTO "job_counts" VALUES(1,1,'finished','LOST',1);
INSERT INTO "job_counts" VALUES(1,1,'finished','SUCCESSFUL',1);
INSERT INTO "job_counts" VALUES(1,1,'pending','',3);
INSERT INTO "job_counts" VALUES(1,1,'running','',2);
INSERT INTO "job_counts" VALUES(1,1,'starting','',1);
INSERT INTO "job_counts" VALUES(1,1,'stopping','',2);
INSERT INTO "job_counts" VALUES(1,3,'pending','',1);
CREATE TABLE job_tags (
	tag TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	project_id BIGINT NOT NULL, 
	spider_number INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	outcome TEXT, 
	changed_ms BIGINT NOT NULL, 
	CONSTRAINT job_tags_newest PRIMARY KEY (tag, sequence)
)
 WITHOUT ROWID

;
INSERT INTO "job_tags" VALUES('a',1,1,1,'pending',NULL,1780481844000);
INSERT INTO "job_tags" VALUES('a',3,1,1,'starting',NULL,1780481846000);
INSERT INTO "job_tags" VALUES('a',5,1,1,'running',NULL,1780481848000);
INSERT INTO "job_tags" VALUES('a',7,1,1,'stopping',NULL,1780481852001);
INSERT INTO "job_tags" VALUES('a',9,1,1,'finished','LOST',1780481903001);
INSERT INTO "job_tags" VALUES('b',1,1,1,'pending',NULL,1780481844000);
INSERT INTO "job_tags" VALUES('b',3,1,1,'starting',NULL,1780481846000);
INSERT INTO "job_tags" VALUES('b',5,1,1,'running',NULL,1780481848000);
INSERT INTO "job_tags" VALUES('b',7,1,1,'stopping',NULL,1780481852001);
INSERT INTO "job_tags" VALUES('b',9,1,1,'finished','LOST',1780481903001);
CREATE TABLE jobs (
	id CHAR(32) NOT NULL, 
	project_id BIGINT NOT NULL, 
	spider_number INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	deploy_id BIGINT, 
	version TEXT, 
	actor TEXT NOT NULL, 
	driver TEXT NOT NULL, 
	state TEXT NOT NULL, 
	since_ms BIGINT NOT NULL, 
	attempt INTEGER NOT NULL, 
	not_before_ms BIGINT, 
	started_ms BIGINT, 
	ended_ms BIGINT, 
	outcome TEXT, 
	reason TEXT, 
	stop_cause TEXT, 
	deleted_by TEXT, 
	pid BIGINT, 
	start_ticks BIGINT, 
	boot_id TEXT, 
	created_ms BIGINT NOT NULL, 
	changed_ms BIGINT NOT NULL, 
	sequence BIGINT NOT NULL, 
	priority INTEGER NOT NULL, 
	schedule_id CHAR(32), 
	planned_ms BIGINT, 
	unique_key TEXT, 
	scheduled_by TEXT, 
	started_by TEXT, 
	completed_by TEXT, 
	cancelled_by TEXT, 
	items BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	responses BIGINT NOT NULL, 
	log_lines BIGINT NOT NULL, 
	errors BIGINT NOT NULL, 
	tags JSON NOT NULL, 
	request JSON NOT NULL, 
	meta JSON NOT NULL, 
	stats JSON NOT NULL, 
	reported_ms BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT jobs_spider FOREIGN KEY(project_id, spider_number) REFERENCES spiders (project_id, number), 
	CONSTRAINT jobs_key UNIQUE (project_id, spider_number, number), 
	CONSTRAINT jobs_actor CHECK (actor IN ('USER', 'SCHEDULER')), 
	CONSTRAINT jobs_driver CHECK (driver IN ('local', 'client')), 
	CONSTRAINT jobs_state CHECK (state IN ('pending', 'starting', 'running', 'stopping', 'finished', 'deleted')), 
	CONSTRAINT jobs_outcome CHECK (outcome IN ('SUCCESSFUL', 'FAILED', 'CANCELED', 'LOST')), 
	CONSTRAINT jobs_stop_cause CHECK (stop_cause IN ('cancel', 'limit', 'shutdown')), 
	CONSTRAINT jobs_priority CHECK (priority BETWEEN 0 AND 4), 
	CONSTRAINT jobs_attempt CHECK (attempt >= 0), 
	CONSTRAINT jobs_ended_outcome CHECK ((state IN ('finished', 'deleted')) = (outcome IS NOT NULL)), 
	CONSTRAINT jobs_ended_ms CHECK ((state IN ('finished', 'deleted')) = (ended_ms IS NOT NULL)), 
	CONSTRAINT jobs_ended_reason CHECK ((state IN ('stopping', 'finished', 'deleted')) = (reason IS NOT NULL)), 
	CONSTRAINT jobs_stopping CHECK ((state IN ('stopping')) = (stop_cause IS NOT NULL)), 
	CONSTRAINT jobs_deleted CHECK ((state IN ('deleted')) = (deleted_by IS NOT NULL)), 
	CONSTRAINT jobs_not_before CHECK (not_before_ms IS NULL OR state = 'pending'), 
	CONSTRAINT jobs_running_has_started CHECK (started_ms IS NOT NULL OR state <> 'running'), 
	CONSTRAINT jobs_waiting_has_not_started CHECK (started_ms IS NULL OR state NOT IN ('pending', 'starting')), 
	CONSTRAINT jobs_process CHECK (pid IS NULL OR state IN ('running', 'stopping')), 
	CONSTRAINT jobs_process_identity CHECK ((pid IS NULL) = (start_ticks IS NULL) AND (pid IS NULL) = (boot_id IS NULL)), 
	CONSTRAINT jobs_planned CHECK (planned_ms IS NULL OR schedule_id IS NOT NULL), 
	FOREIGN KEY(deploy_id) REFERENCES versions (id)
);
INSERT INTO "jobs" VALUES('00000000000000000000000000000001',1,1,1,2,'2','USER','local','pending',1780481844000,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481844000,1780481844000,1,4,NULL,NULL,'u1','ann',NULL,NULL,NULL,0,0,0,0,0,'["a","b"]','{"arguments":{"x":"1 \u00e9"},"settings":{"LOG_LEVEL":"INFO"},"description":"d","timeout_s":60.0,"retries":2}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000002',1,1,2,2,'2','USER','local','pending',1780481845000,1,1780481933000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481845000,1780481845000,2,2,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000003',1,1,3,2,'2','USER','local','starting',1780481846000,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481846000,1780481846000,3,4,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'["a","b"]','{"arguments":{"x":"1 \u00e9"},"settings":{"LOG_LEVEL":"INFO"},"description":"d","timeout_s":60.0,"retries":2}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000004',1,1,4,2,'2','USER','local','running',1780481847000,1,NULL,1780481847000,NULL,NULL,NULL,NULL,NULL,4711,12345,'0f0f',1780481847000,1780481847000,4,2,NULL,NULL,NULL,'ann',NULL,NULL,NULL,3,4,4,9,1,'[]','{}','{}','{"item_scraped_count":3}',1780481873000);
INSERT INTO "jobs" VALUES('00000000000000000000000000000005',1,1,5,2,'2','USER','local','running',1780481848000,2,NULL,1780481848000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481848000,1780481848000,5,4,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'["a","b"]','{"arguments":{"x":"1 \u00e9"},"settings":{"LOG_LEVEL":"INFO"},"description":"d","timeout_s":60.0,"retries":2}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000006',1,1,6,2,'2','USER','local','stopping',1780481852000,1,NULL,1780481849000,NULL,NULL,'memory_limit','limit',NULL,4711,12345,'0f0f',1780481849000,1780481852000,6,2,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000007',1,1,7,2,'2','USER','local','stopping',1780481852001,1,NULL,NULL,NULL,NULL,'cancelled','cancel',NULL,NULL,NULL,NULL,1780481850000,1780481852001,7,4,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'["a","b"]','{"arguments":{"x":"1 \u00e9"},"settings":{"LOG_LEVEL":"INFO"},"description":"d","timeout_s":60.0,"retries":2}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000008',1,1,8,2,'2','USER','local','finished',1780481903000,1,NULL,1780481844000,1780481903000,'SUCCESSFUL','finished',NULL,NULL,NULL,NULL,NULL,1780481851000,1780481903000,8,2,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{"k":[8]}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000009',1,1,9,2,'2','USER','local','finished',1780481903001,1,NULL,1780481844000,1780481903001,'LOST','its records are gone',NULL,NULL,NULL,NULL,NULL,1780481852000,1780481903001,9,4,NULL,NULL,NULL,'ann',NULL,NULL,NULL,0,0,0,0,0,'["a","b"]','{"arguments":{"x":"1 \u00e9"},"settings":{"LOG_LEVEL":"INFO"},"description":"d","timeout_s":60.0,"retries":2}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000014',1,3,1,2,'2','USER','client','pending',1780481863000,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481863000,1780481863000,10,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('00000000000000000000000000000015',1,1,10,2,'2','USER','local','deleted',1780481942000,1,NULL,1780481844000,1780481903000,'SUCCESSFUL','finished',NULL,'ann',NULL,NULL,NULL,1780481864000,1780481942000,12,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}',NULL);
INSERT INTO "jobs" VALUES('0000000000000000000000000000001e',1,1,11,2,'2','SCHEDULER','local','pending',1780481873000,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1780481873000,1780481873000,16,2,'000000000000000000000000000003e9',1780485443000,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}',NULL);
CREATE TABLE meta (
	scope TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value JSON NOT NULL, 
	CONSTRAINT meta_key PRIMARY KEY (scope, "key")
)
 WITHOUT ROWID

;
INSERT INTO "meta" VALUES('project:1','timeout',60);
CREATE TABLE projects (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	current_version_id BIGINT, 
	spiders_named INTEGER NOT NULL, 
	versions_pushed INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	removed BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT projects_name UNIQUE (name)
);
INSERT INTO "projects" VALUES(1,'quotesbot',2,3,2,1780481843000,0);
INSERT INTO "projects" VALUES(2,'gone',NULL,2,1,1780481843000,1);
CREATE TABLE removals (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT removals_key PRIMARY KEY (kind, name)
)
 WITHOUT ROWID

;
INSERT INTO "removals" VALUES('archive','2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c');
INSERT INTO "removals" VALUES('spider-data','gone');
CREATE TABLE schedule_events (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	schedule_id CHAR(32) NOT NULL, 
	kind TEXT NOT NULL, 
	first_ms BIGINT NOT NULL, 
	last_ms BIGINT NOT NULL, 
	instants BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT schedule_events_kind CHECK (kind IN ('missed', 'skipped', 'paused')), 
	FOREIGN KEY(schedule_id) REFERENCES schedules (id) ON DELETE CASCADE
);
INSERT INTO "schedule_events" VALUES(1,'000000000000000000000000000003e9','missed',1780481853000,1780481854000,2,'the daemon was down');
CREATE TABLE schedules (
	id CHAR(32) NOT NULL, 
	project_id BIGINT NOT NULL, 
	spider TEXT NOT NULL, 
	version TEXT, 
	priority INTEGER NOT NULL, 
	tags JSON NOT NULL, 
	request JSON NOT NULL, 
	spec TEXT NOT NULL, 
	zone TEXT NOT NULL, 
	anchor_ms BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	last_planned_ms BIGINT, 
	next_due_ms BIGINT, 
	drawn_ms BIGINT, 
	catchup TEXT NOT NULL, 
	catchup_window_s FLOAT, 
	overlap TEXT NOT NULL, 
	jitter_s FLOAT NOT NULL, 
	until_ms BIGINT, 
	max_runs BIGINT, 
	fired BIGINT NOT NULL, 
	missed BIGINT NOT NULL, 
	skipped BIGINT NOT NULL, 
	note TEXT NOT NULL, 
	error TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	changed_ms BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	sequence BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT schedules_state CHECK (state IN ('active', 'paused', 'finished', 'error', 'canceled')), 
	CONSTRAINT schedules_catchup CHECK (catchup IN ('latest', 'none', 'all')), 
	CONSTRAINT schedules_overlap CHECK (overlap IN ('skip', 'queue-one', 'allow', 'replace')), 
	CONSTRAINT schedules_due CHECK (next_due_ms IS NULL OR state = 'active'), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "schedules" VALUES('000000000000000000000000000003e9',1,'toscrape-css',NULL,2,'[]','{}','every hour','Europe/Berlin',1780481843000,'active',1780485443000,1780489043000,NULL,'latest',NULL,'skip',0.0,NULL,NULL,1,2,0,'','',1780481844000,1780481844000,'ann',13);
INSERT INTO "schedules" VALUES('000000000000000000000000000003ea',1,'toscrape-css',NULL,2,'[]','{}','every day at 3:00','Europe/Berlin',1780481843000,'paused',NULL,NULL,NULL,'all',NULL,'queue-one',30.0,1781481843000,7,0,0,0,'nightly','',1780481845000,1780481845000,'ann',14);
INSERT INTO "schedules" VALUES('000000000000000000000000000003eb',1,'toscrape-css',NULL,2,'[]','{}','cron 0 3 * * *','Europe/Berlin',1780481843000,'error',NULL,NULL,NULL,'latest',NULL,'skip',0.0,NULL,NULL,0,0,0,'','the project is gone',1780481846000,1780481846000,'ann',15);
CREATE TABLE spiders (
	project_id BIGINT NOT NULL, 
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	deployed BOOLEAN NOT NULL, 
	jobs_numbered INTEGER NOT NULL, 
	CONSTRAINT spiders_number PRIMARY KEY (project_id, number), 
	CONSTRAINT spiders_name UNIQUE (project_id, name), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "spiders" VALUES(1,1,'toscrape-css',1,11);
INSERT INTO "spiders" VALUES(1,2,'toscrape-xpath',1,0);
INSERT INTO "spiders" VALUES(2,1,'toscrape-css',0,0);
INSERT INTO "spiders" VALUES(2,2,'toscrape-xpath',0,0);
INSERT INTO "spiders" VALUES(1,3,'theirs',0,1);
CREATE TABLE versions (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	project_id BIGINT NOT NULL, 
	label TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	root TEXT NOT NULL, 
	settings_module TEXT NOT NULL, 
	spiders JSON NOT NULL, 
	pushed_ms BIGINT NOT NULL, 
	pushed_by TEXT NOT NULL, 
	removed BOOLEAN DEFAULT 0 NOT NULL, 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "versions" VALUES(1,1,'1','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',4096,'','quotesbot.settings','["toscrape-css"]',1780481843000,'ann',0);
INSERT INTO "versions" VALUES(2,1,'2','1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b',5000,'','quotesbot.settings','["toscrape-css","toscrape-xpath"]',1780481843000,'ann',0);
INSERT INTO "versions" VALUES(3,2,'1','2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c',50,'','quotesbot.settings','["toscrape-css","toscrape-xpath"]',1780481843000,'ann',1);
CREATE INDEX versions_digest ON versions (digest);
CREATE UNIQUE INDEX versions_label ON versions (project_id, label) WHERE removed = 0;
CREATE INDEX schedules_of_project ON schedules (project_id, state);
CREATE INDEX schedules_next_due ON schedules (next_due_ms) WHERE next_due_ms IS NOT NULL;
CREATE INDEX schedules_newest ON schedules (sequence, state);
CREATE UNIQUE INDEX collections_name ON collections (project_id, name, kind) WHERE removed = 0;
CREATE UNIQUE INDEX frontier_slots_name ON frontier_slots (project_id, frontier, slot) WHERE removed = 0;
CREATE INDEX jobs_unfinished_of_schedule ON jobs (schedule_id) WHERE schedule_id IS NOT NULL AND outcome IS NULL;
CREATE INDEX jobs_of_project ON jobs (project_id, sequence, spider_number, state, outcome, changed_ms);
CREATE INDEX jobs_queue ON jobs (driver, state, project_id, priority DESC, created_ms, spider_number, number, not_before_ms, sequence, changed_ms, outcome) WHERE outcome IS NULL;
CREATE UNIQUE INDEX jobs_unique ON jobs (project_id, unique_key) WHERE unique_key IS NOT NULL AND outcome IS NULL;
CREATE UNIQUE INDEX jobs_planned_once ON jobs (schedule_id, planned_ms) WHERE planned_ms IS NOT NULL;
CREATE INDEX jobs_of_spider ON jobs (project_id, spider_number, sequence, state, outcome, changed_ms);
CREATE INDEX jobs_unfinished_of_version ON jobs (deploy_id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX jobs_newest ON jobs (sequence, project_id, spider_number, state, outcome, changed_ms);
CREATE INDEX jobs_of_schedule ON jobs (schedule_id, sequence) WHERE schedule_id IS NOT NULL;
CREATE INDEX jobs_not_before ON jobs (not_before_ms) WHERE not_before_ms IS NOT NULL;
CREATE INDEX schedule_events_newest ON schedule_events (schedule_id, number);
CREATE INDEX collection_values_expiring ON collection_values (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE INDEX frontier_batches_next ON frontier_batches (slot_id, priority, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('projects',2);
INSERT INTO "sqlite_sequence" VALUES('versions',3);
INSERT INTO "sqlite_sequence" VALUES('schedule_events',1);
INSERT INTO "sqlite_sequence" VALUES('collections',1);
INSERT INTO "sqlite_sequence" VALUES('frontier_slots',1);
INSERT INTO "sqlite_sequence" VALUES('frontier_batches',1);
COMMIT;
