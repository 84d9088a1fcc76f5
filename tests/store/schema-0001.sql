BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE collection_values (
	collection_id BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	written_ms BIGINT NOT NULL, 
	expires_ms BIGINT, 
	value TEXT NOT NULL, 
	CONSTRAINT collection_values_version PRIMARY KEY (collection_id, "key", written_ms), 
	FOREIGN KEY(collection_id) REFERENCES collections (id)
);
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
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "counters" VALUES('CANCELED',1);
INSERT INTO "counters" VALUES('SUCCESSFUL',2);
INSERT INTO "counters" VALUES('run',2);
INSERT INTO "counters" VALUES('sequence',16);
CREATE TABLE frontier_batches (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	slot_id BIGINT NOT NULL, 
	priority BIGINT NOT NULL, 
	requests INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	FOREIGN KEY(slot_id) REFERENCES frontier_slots (id)
);
CREATE TABLE frontier_fingerprints (
	slot_id BIGINT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	value TEXT, 
	CONSTRAINT frontier_fingerprints_key PRIMARY KEY (slot_id, fingerprint), 
	FOREIGN KEY(slot_id) REFERENCES frontier_slots (id)
)
 WITHOUT ROWID

;
CREATE TABLE frontier_slots (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	project_id BIGINT NOT NULL, 
	frontier TEXT NOT NULL, 
	slot TEXT NOT NULL, 
	removed BOOLEAN DEFAULT 0 NOT NULL, 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
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
INSERT INTO "job_counts" VALUES(1,8,'finished','CANCELED',1);
INSERT INTO "job_counts" VALUES(1,8,'finished','SUCCESSFUL',1);
INSERT INTO "job_counts" VALUES(1,8,'pending','',1);
INSERT INTO "job_counts" VALUES(1,8,'running','',0);
INSERT INTO "job_counts" VALUES(1,8,'starting','',0);
INSERT INTO "job_counts" VALUES(1,9,'finished','SUCCESSFUL',1);
INSERT INTO "job_counts" VALUES(1,9,'pending','',0);
INSERT INTO "job_counts" VALUES(1,9,'running','',0);
INSERT INTO "job_counts" VALUES(1,9,'starting','',0);
INSERT INTO "job_counts" VALUES(1,11,'pending','',1);
INSERT INTO "job_counts" VALUES(1,11,'running','',0);
INSERT INTO "job_counts" VALUES(1,11,'starting','',0);
INSERT INTO "job_counts" VALUES(1,11,'stopping','',0);
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
INSERT INTO "job_tags" VALUES('kept',8,1,9,'finished','SUCCESSFUL',1795898128249);
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
INSERT INTO "jobs" VALUES('e0500596541b423185bed78ac179c44d',1,8,1,2,'2','USER','local','finished',1795898128115,1,NULL,1795898128050,1795898128115,'SUCCESSFUL','finished',NULL,NULL,NULL,NULL,NULL,1795898127950,1795898128118,4,2,NULL,NULL,NULL,'local',NULL,NULL,NULL,0,0,0,17,0,'[]','{}','{}','{"start_time":1795898128092.175,"log_count/INFO":2,"memusage/startup":64065536,"memusage/max":64065536,"elapsed_time_seconds":0.00561376299992844,"finish_time":1795898128097.796,"finish_reason":"finished","responses_per_minute":null,"items_per_minute":null}');
INSERT INTO "jobs" VALUES('7f0588fa469c491496b7691e860cc2a6',1,9,1,2,'2','USER','local','finished',1795898128239,1,NULL,1795898128182,1795898128239,'SUCCESSFUL','finished',NULL,NULL,NULL,NULL,NULL,1795898128152,1795898128249,8,2,NULL,NULL,NULL,'local',NULL,NULL,NULL,3,3,3,25,2,'["kept"]','{}','{}','{"start_time":1795898128207.149,"log_count/INFO":2,"memusage/startup":64258048,"memusage/max":64258048,"scheduler/enqueued/memory":3,"scheduler/enqueued":3,"scheduler/dequeued/memory":3,"scheduler/dequeued":3,"downloader/request_count":3,"downloader/request_method_count/GET":3,"downloader/request_bytes":674,"downloader/response_count":3,"downloader/response_status_count/200":3,"downloader/response_bytes":68,"log_count/DEBUG":6,"response_received_count":3,"request_depth_max":1,"item_scraped_count":3,"log_count/ERROR":2,"elapsed_time_seconds":0.015380047000007835,"finish_time":1795898128222.535,"finish_reason":"finished","responses_per_minute":null,"items_per_minute":null}');
INSERT INTO "jobs" VALUES('ef37743046514beeadf4a1882bb981d1',1,11,1,2,'2','USER','local','pending',1795898128414,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795898128283,1795898128414,16,2,NULL,NULL,NULL,'local',NULL,NULL,NULL,0,0,0,15,0,'[]','{}','{}','{"start_time":1795898128390.786,"log_count/INFO":2,"memusage/startup":64270336,"memusage/max":64270336}');
INSERT INTO "jobs" VALUES('feae0cabb3944cf78d9cc8adaa017f9c',1,8,2,2,'2','USER','local','pending',1795898128315,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795898128315,1795898128315,11,3,NULL,NULL,NULL,'local',NULL,NULL,NULL,0,0,0,0,0,'[]','{}','{}','{}');
INSERT INTO "jobs" VALUES('39f6f8495b434e8caec62e85150a894c',1,8,3,2,'2','USER','local','finished',1795898128352,0,NULL,NULL,1795898128352,'CANCELED','cancelled',NULL,NULL,NULL,NULL,NULL,1795898128338,1795898128352,14,2,NULL,NULL,NULL,'local',NULL,NULL,'local',0,0,0,0,0,'[]','{}','{}','{}');
CREATE TABLE meta (
	scope TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value JSON NOT NULL, 
	CONSTRAINT meta_key PRIMARY KEY (scope, "key")
)
 WITHOUT ROWID

;
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
INSERT INTO "projects" VALUES(1,'good',2,15,2,1795898127688,0);
INSERT INTO "projects" VALUES(2,'marking',NULL,4,1,1795898127902,1);
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
	PRIMARY KEY (id), 
	CONSTRAINT schedules_state CHECK (state IN ('active', 'paused', 'finished', 'error', 'canceled')), 
	CONSTRAINT schedules_catchup CHECK (catchup IN ('latest', 'none', 'all')), 
	CONSTRAINT schedules_overlap CHECK (overlap IN ('skip', 'queue-one', 'allow', 'replace')), 
	CONSTRAINT schedules_due CHECK (next_due_ms IS NULL OR state = 'active'), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
INSERT INTO "schedules" VALUES('22b9a5f5d7864f25b8dfaeec78bf8187',1,'noop',NULL,2,'[]','{}','every 2 hours','Etc/UTC',1795898128363,'active',NULL,1795905328363,NULL,'latest',NULL,'skip',0.0,NULL,NULL,0,0,0,'','',1795898128363,1795898128363,'local');
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
INSERT INTO "spiders" VALUES(1,1,'chatty',1,0);
INSERT INTO "spiders" VALUES(1,2,'closer',1,0);
INSERT INTO "spiders" VALUES(1,3,'exits',1,0);
INSERT INTO "spiders" VALUES(1,4,'flood',1,0);
INSERT INTO "spiders" VALUES(1,5,'greedy',1,0);
INSERT INTO "spiders" VALUES(1,6,'hesitant',1,0);
INSERT INTO "spiders" VALUES(1,7,'mirror',1,0);
INSERT INTO "spiders" VALUES(1,8,'noop',1,3);
INSERT INTO "spiders" VALUES(1,9,'pages',1,1);
INSERT INTO "spiders" VALUES(1,10,'parent',1,0);
INSERT INTO "spiders" VALUES(1,11,'sleeper',1,1);
INSERT INTO "spiders" VALUES(1,12,'stopped',1,0);
INSERT INTO "spiders" VALUES(1,13,'stubborn',1,0);
INSERT INTO "spiders" VALUES(1,14,'stumbling',1,0);
INSERT INTO "spiders" VALUES(1,15,'swelling',1,0);
INSERT INTO "spiders" VALUES(2,1,'family',0,0);
INSERT INTO "spiders" VALUES(2,2,'hoarder',0,0);
INSERT INTO "spiders" VALUES(2,3,'marker',0,0);
INSERT INTO "spiders" VALUES(2,4,'ticker',0,0);
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
INSERT INTO "versions" VALUES(1,1,'1','4aae7b70486d854a7793cbdbf421217608d118c9e06f6cffe109b63d2aef0d17',3476,'','good.settings','["chatty","closer","exits","flood","greedy","hesitant","mirror","noop","pages","parent","sleeper","stopped","stubborn","stumbling","swelling"]',1795898127688,'local',1);
INSERT INTO "versions" VALUES(2,1,'2','4aae7b70486d854a7793cbdbf421217608d118c9e06f6cffe109b63d2aef0d17',3476,'','good.settings','["chatty","closer","exits","flood","greedy","hesitant","mirror","noop","pages","parent","sleeper","stopped","stubborn","stumbling","swelling"]',1795898127792,'local',0);
INSERT INTO "versions" VALUES(3,2,'1','e0d8dbdd1d2a04eb51a6fd1c273e93d1a8ca99c6d594d5dd20a875fae245be01',1813,'','marking.settings','["family","hoarder","marker","ticker"]',1795898127902,'local',1);
CREATE INDEX versions_digest ON versions (digest);
CREATE UNIQUE INDEX versions_label ON versions (project_id, label) WHERE removed = 0;
CREATE INDEX schedules_of_project ON schedules (project_id, state);
CREATE INDEX schedules_next_due ON schedules (next_due_ms) WHERE next_due_ms IS NOT NULL;
CREATE UNIQUE INDEX collections_name ON collections (project_id, name, kind) WHERE removed = 0;
CREATE UNIQUE INDEX frontier_slots_name ON frontier_slots (project_id, frontier, slot) WHERE removed = 0;
CREATE INDEX jobs_of_project ON jobs (project_id, sequence, spider_number, state, outcome, changed_ms);
CREATE UNIQUE INDEX jobs_unique ON jobs (project_id, unique_key) WHERE unique_key IS NOT NULL AND outcome IS NULL;
CREATE INDEX jobs_queue ON jobs (driver, state, project_id, priority DESC, created_ms, spider_number, number, not_before_ms, sequence, changed_ms, outcome) WHERE outcome IS NULL;
CREATE INDEX jobs_of_spider ON jobs (project_id, spider_number, sequence, state, outcome, changed_ms);
CREATE INDEX jobs_of_schedule ON jobs (schedule_id, sequence) WHERE schedule_id IS NOT NULL;
CREATE INDEX jobs_not_before ON jobs (not_before_ms) WHERE not_before_ms IS NOT NULL;
CREATE UNIQUE INDEX jobs_planned_once ON jobs (schedule_id, planned_ms) WHERE planned_ms IS NOT NULL;
CREATE INDEX jobs_unfinished_of_version ON jobs (deploy_id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX jobs_newest ON jobs (sequence, project_id, spider_number, state, outcome, changed_ms);
CREATE INDEX jobs_unfinished_of_schedule ON jobs (schedule_id) WHERE schedule_id IS NOT NULL AND outcome IS NULL;
CREATE INDEX schedule_events_newest ON schedule_events (schedule_id, number);
CREATE INDEX collection_values_expiring ON collection_values (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE INDEX frontier_batches_next ON frontier_batches (slot_id, priority, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('projects',2);
INSERT INTO "sqlite_sequence" VALUES('versions',3);
COMMIT;
